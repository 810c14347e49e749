/* What the server's and the library's errors mean to callers. */
#include "db_steps.h"
#include <errmsg.h>
#include <mysqld_error.h>
#include <string.h>

/* DUPLICATE's message ends in: for key 'name'. The value before it may hold quotes
 * itself. */
static void find_key(struct db_err *err)
{
    static const char marker[] = " for key '";
    const char *key = NULL;
    for (const char *at = err->base.message; (at = strstr(at, marker)); at++)
        key = at + sizeof(marker) - 1;
    size_t len = key ? strlen(key) : 0;
    if (len && key[len - 1] == '\'')
        len--;
    if (len >= sizeof(err->key))
        len = 0;
    if (len)
        memcpy(err->key, key, len);
    err->key[len] = '\0';
}

static const char *code_of(unsigned number)
{
    switch (number) {
    case ER_DUP_ENTRY:
        return DB_DUPLICATE;
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
        return DB_DEADLOCK;
    case ER_BAD_NULL_ERROR:
    case ER_NO_REFERENCED_ROW:
    case ER_NO_REFERENCED_ROW_2:
    case ER_ROW_IS_REFERENCED:
    case ER_ROW_IS_REFERENCED_2:
    case ER_CONSTRAINT_FAILED:
        return DB_CONSTRAINT;
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
        return ERR_DISK_FULL;
    case ER_STATEMENT_TIMEOUT:
        return ERR_TIMEOUT;
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED:
        return DB_LOST;
    default:
        return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR ? DB_LOST : DB_SQL;
    }
}

bool db_note_failure(struct db_conn *conn, unsigned number, const char *message)
{
    struct db_err *err = &conn->err;
    conn->failed = true;
    err->number = number;
    err->key[0] = '\0';
    const char *code = code_of(number);
    bool fatal = strcmp(code, DB_LOST) == 0 ||
                 mysql_get_socket(conn->mysql) == MARIADB_INVALID_SOCKET;
    err->unsent = fatal && (number == CR_SERVER_GONE_ERROR ||
                            conn->step == STEP_PREPARE || conn->step == STEP_CLOSE_STMT);
    if (conn->step == STEP_CONNECT || err->unsent)
        code = ERR_UNAVAILABLE;
    err_set(&err->base, code, "%s", *message ? message : "connection lost");
    if (number == ER_DUP_ENTRY)
        find_key(err);
    return fatal;
}

void db_set_failure(struct db_conn *conn, const char *code, const char *message)
{
    conn->failed = true;
    conn->err.number = 0;
    conn->err.unsent = false;
    conn->err.key[0] = '\0';
    err_set(&conn->err.base, code, "%s", message);
}
