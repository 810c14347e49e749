/* Results: rows as tables, or as JSON in a shape. */
#include "buf.h"
#include "lua_db.h"
#include "lua_util.h"
#include "mem.h"
#include <string.h>

#define SHAPE_TYPE "host.db.shape"

enum { SHAPE_DEPTH = 8 };

static void push_value(lua_State *L, const struct db_value *value)
{
    switch (value->kind) {
    case DB_BOOLEAN:
        lua_pushboolean(L, value->integer != 0);
        break;
    case DB_INTEGER:
        lua_pushnumber(L, (lua_Number)value->integer);
        break;
    case DB_NUMBER:
        lua_pushnumber(L, value->number);
        break;
    case DB_TEXT:
        lua_pushlstring(L, value->text, value->len);
        break;
    case DB_NULL:
        lua_pushnil(L);
        break;
    }
}

/* The names are put on the stack once, so that each row costs no hashing of them. */
static int push_rows(lua_State *L, struct db_conn *conn)
{
    unsigned columns = db_conn_columns(conn);
    if (!lua_checkstack(L, (int)columns + 8))
        return lua_fail_code(L, DB_SQL, "too many columns");
    uint64_t count = columns ? db_conn_affected(conn) : 0;
    lua_createtable(L, count < 10000 ? (int)count : 10000, 2);
    int rows = lua_gettop(L);
    for (unsigned i = 0; i < columns; i++) {
        size_t len;
        const char *name = db_conn_column(conn, i, &len);
        lua_pushlstring(L, name, len);
    }
    const struct db_value *cells;
    for (int n = 1; (cells = db_conn_fetch(conn)); n++) {
        lua_createtable(L, 0, (int)columns);
        for (unsigned i = 0; i < columns; i++) {
            if (cells[i].kind == DB_NULL)
                continue;
            lua_pushvalue(L, rows + 1 + (int)i);
            push_value(L, &cells[i]);
            lua_rawset(L, -3);
        }
        lua_rawseti(L, rows, n);
    }
    lua_settop(L, rows);
    lua_pushnumber(L, (lua_Number)db_conn_affected(conn));
    lua_setfield(L, rows, "affected");
    lua_pushnumber(L, (lua_Number)db_conn_insert_id(conn));
    lua_setfield(L, rows, "insert_id");
    return 1;
}

/* Written here, then copied to Lua once; the loop's thread has one result at a time. */
static struct buf text, lines;

static void push_kept(lua_State *L, const struct db_shape *shape,
                      const struct db_value *cells)
{
    unsigned count = db_shape_kept(shape);
    lua_createtable(L, 0, (int)count);
    for (unsigned i = 0; i < count; i++) {
        const char *name;
        const struct db_value *cell = db_shape_kept_at(shape, cells, i, &name);
        if (cell->kind == DB_NULL)
            continue;
        push_value(L, cell);
        lua_setfield(L, -2, name);
    }
}

static void push_buf(lua_State *L, const struct buf *buf)
{
    lua_pushlstring(L, buf->len ? buf->data : "", buf->len);
}

/* text, count, kept, lines */
static int push_shaped(lua_State *L, const struct op *op)
{
    struct db_conn *conn = op->conn;
    const struct db_shape *shape = op->shape;
    const struct db_value *cells;
    struct err err;
    bool has_lines = db_shape_has_lines(shape), kept = false;
    unsigned rows = (unsigned)db_conn_affected(conn);
    unsigned max = has_lines ? 1 : op->shape_max;
    unsigned shown = rows < max ? rows : max;
    if (!db_conn_columns(conn))
        return lua_fail_code(L, DB_SQL, "the statement has no result");
    if (db_shape_bind(op->shape, conn, &err) < 0)
        return lua_fail(L, &err);
    buf_clear(&text);
    buf_clear(&lines);
    unsigned end = has_lines ? rows : shown;
    for (unsigned i = 0; i < end && (cells = db_conn_fetch(conn)); i++) {
        if (i && i < shown)
            buf_putc(&text, ',');
        if (i < shown)
            db_shape_write(shape, cells, &text);
        if (i + 1 == shown) {
            push_kept(L, shape, cells);
            kept = true;
        }
        if (has_lines)
            db_shape_write_line(shape, cells, &lines);
    }
    if (!kept)
        lua_pushnil(L);
    push_buf(L, &text);
    lua_insert(L, -2);
    lua_pushnumber(L, rows);
    lua_insert(L, -2);
    push_buf(L, &lines);
    return 4;
}

int push_result(lua_State *L, const struct op *op)
{
    int results = op->shape ? push_shaped(L, op) : push_rows(L, op->conn);
    db_conn_end(op->conn);
    return results;
}

/* ---- Shapes ---- */

struct db_shape *lua_db_check_shape(lua_State *L, int arg)
{
    return box_check(L, arg, SHAPE_TYPE);
}

static int shape_gc(lua_State *L)
{
    void **slot = box_slot(L, 1, SHAPE_TYPE);
    db_shape_unref(*slot);
    *slot = NULL;
    return 0;
}

static void add_fields(lua_State *L, struct db_shape *shape, int list, int depth);

/* The field on top of the stack. */
static void add_field(lua_State *L, struct db_shape *shape, int depth)
{
    int field = lua_gettop(L);
    luaL_checktype(L, field, LUA_TTABLE);
    lua_rawgeti(L, field, 1);
    lua_rawgeti(L, field, 2);
    const char *key = luaL_checkstring(L, field + 1);
    if (lua_istable(L, field + 2)) {
        db_shape_open(shape, key);
        add_fields(L, shape, field + 2, depth + 1);
        db_shape_close(shape);
    } else {
        struct db_field_options options = {
            .kind = opt_boolean(L, field, "json", 0)      ? DB_FIELD_JSON
                    : opt_boolean(L, field, "is_null", 0) ? DB_FIELD_IS_NULL
                                                          : DB_FIELD_VALUE,
            .before = opt_string(L, field, "before", NULL, NULL),
            .after = opt_string(L, field, "after", NULL, NULL),
            .only = opt_string(L, field, "only", NULL, NULL),
            .begins = opt_string(L, field, "begins", NULL, NULL),
        };
        db_shape_field(shape, key, luaL_checkstring(L, field + 2), &options);
    }
    lua_settop(L, field);
}

static void add_fields(lua_State *L, struct db_shape *shape, int list, int depth)
{
    luaL_checkstack(L, 8, "shape");
    if (depth > SHAPE_DEPTH)
        luaL_error(L, "a shape of more than %d levels", SHAPE_DEPTH);
    for (int i = 1; i <= (int)lua_objlen(L, list); i++) {
        lua_rawgeti(L, list, i);
        add_field(L, shape, depth);
        lua_pop(L, 1);
    }
}

int lua_db_shape(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    void **slot = box_new(L, SHAPE_TYPE); /* frees it when something raises */
    struct db_shape *shape = db_shape_new();
    *slot = shape;
    add_fields(L, shape, 1, 1);
    lua_getfield(L, 1, "keep");
    for (int i = 1; lua_istable(L, 3) && i <= (int)lua_objlen(L, 3); i++) {
        lua_rawgeti(L, 3, i);
        db_shape_keep(shape, luaL_checkstring(L, -1));
        lua_pop(L, 1);
    }
    if (opt_boolean(L, 1, "open", 0))
        db_shape_leave_open(shape);
    lua_getfield(L, 1, "lines");
    if (!lua_isnil(L, -1))
        db_shape_set_lines(shape, lua_db_check_shape(L, lua_gettop(L)),
                           opt_string(L, 1, "when", "", NULL));
    lua_settop(L, 2);
    return 1;
}

void lua_db_shape_register(lua_State *L)
{
    static const luaL_Reg methods[] = {{NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", shape_gc}, {NULL, NULL}};
    box_type(L, SHAPE_TYPE, methods, meta);
}

int lua_db_text_of(lua_State *L)
{
    const struct db_shape *shape = lua_db_check_shape(L, 1);
    unsigned count = db_shape_fields(shape);
    size_t bytes;
    luaL_checkstack(L, (int)count, "shape");
    lua_settop(L, 1 + (int)count);
    buf_clear(&text);
    db_shape_write_values(shape, lua_db_values(L, 2, count, &bytes), &text);
    push_buf(L, &text);
    return 1;
}
