/* A hash table with chains for the look-up and a doubly linked list for the order of use.
 */
#include "db_stmt.h"
#include "db_wire.h"
#include "mem.h"
#include <stdlib.h>
#include <string.h>

static uint64_t mixed(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

/* Statements are hundreds of bytes and hashed for each query: eight bytes at a time. */
static uint64_t hash_text(const char *text, size_t len)
{
    uint64_t hash = len, word;
    for (; len >= sizeof(word); len -= sizeof(word), text += sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        hash = mixed(hash, word);
    }
    word = 0;
    memcpy(&word, text, len);
    return mixed(hash, word);
}

static void unlink_order(struct db_stmts *stmts, struct db_stmt *stmt)
{
    *(stmt->newer ? &stmt->newer->older : &stmts->newest) = stmt->older;
    *(stmt->older ? &stmt->older->newer : &stmts->oldest) = stmt->newer;
}

static void link_newest(struct db_stmts *stmts, struct db_stmt *stmt)
{
    stmt->newer = NULL;
    stmt->older = stmts->newest;
    *(stmt->older ? &stmt->older->newer : &stmts->oldest) = stmt;
    stmts->newest = stmt;
}

struct db_stmt *db_stmts_find(struct db_stmts *stmts, const char *sql, size_t len)
{
    uint64_t hash = hash_text(sql, len);
    struct db_stmt *stmt = stmts->buckets[hash % DB_STMT_BUCKETS];
    while (stmt &&
           (stmt->hash != hash || stmt->len != len || memcmp(stmt->sql, sql, len) != 0))
        stmt = stmt->chain;
    if (stmt && stmt->newer) {
        unlink_order(stmts, stmt);
        link_newest(stmts, stmt);
    }
    return stmt;
}

struct db_stmt *db_stmts_add(struct db_stmts *stmts, const char *sql, size_t len)
{
    struct db_stmt *stmt = mem_new(sizeof(*stmt));
    stmt->sql = mem_copy(sql, len);
    stmt->len = len;
    stmt->hash = hash_text(sql, len);
    struct db_stmt **bucket = &stmts->buckets[stmt->hash % DB_STMT_BUCKETS];
    stmt->chain = *bucket;
    *bucket = stmt;
    link_newest(stmts, stmt);
    stmts->count++;
    return stmt;
}

void db_stmts_remove(struct db_stmts *stmts, struct db_stmt *stmt)
{
    struct db_stmt **at = &stmts->buckets[stmt->hash % DB_STMT_BUCKETS];
    while (*at != stmt)
        at = &(*at)->chain;
    *at = stmt->chain;
    unlink_order(stmts, stmt);
    stmts->count--;
}

/* Sets the same fields for every kind; the others stay zero. */
static void bind_value(MYSQL_BIND *bind, const struct db_value *value)
{
    static const enum enum_field_types types[] = {
        [DB_NULL] = MYSQL_TYPE_NULL,        [DB_BOOLEAN] = MYSQL_TYPE_LONGLONG,
        [DB_INTEGER] = MYSQL_TYPE_LONGLONG, [DB_NUMBER] = MYSQL_TYPE_DOUBLE,
        [DB_TEXT] = MYSQL_TYPE_STRING,
    };
    bool is_text = value->kind == DB_TEXT;
    bind->buffer_type = types[value->kind];
    bind->buffer = is_text ? (void *)value->text : (void *)&value->integer;
    bind->buffer_length = is_text ? value->len : 0;
    bind->length_value = bind->buffer_length;
    bind->length = is_text ? &bind->length_value : NULL;
}

void db_stmt_bind(struct db_stmt *stmt, const struct db_value *params, unsigned count)
{
    if (!count)
        return;
    if (!stmt->binds)
        stmt->binds = mem_new(count * sizeof(*stmt->binds));
    for (unsigned i = 0; i < count; i++)
        bind_value(&stmt->binds[i], &params[i]);
    mysql_stmt_bind_param(stmt->handle, stmt->binds);
}

void db_stmt_columns(struct db_stmt *stmt, const MYSQL_FIELD *fields, unsigned count)
{
    stmt->fields = fields;
    if (stmt->columns == count)
        return;
    stmt->columns = count;
    stmt->cells = mem_resize(stmt->cells, count * sizeof(*stmt->cells));
    stmt->scratch = mem_resize(stmt->scratch, count * DB_SCRATCH);
}

void db_stmt_free(struct db_stmt *stmt)
{
    free(stmt->sql);
    free(stmt->binds);
    free(stmt->cells);
    free(stmt->scratch);
    free(stmt);
}
