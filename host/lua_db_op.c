/* Operations: a statement with copies of its parameters. */
#include "lua_db.h"
#include "lua_util.h"
#include "mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The number of `?` outside of quotes and comments. */
static unsigned count_marks(const char *at, const char *end)
{
    unsigned marks = 0;
    while (at < end) {
        char c = *at++;
        if (c == '?') {
            marks++;
        } else if (c == '\'' || c == '"' || c == '`') {
            while (at < end && *at != c)
                at += (*at == '\\' && c != '`' && at + 1 < end) ? 2 : 1;
            at++;
        } else if (c == '#' ||
                   (c == '-' && at + 1 < end && at[0] == '-' && at[1] <= ' ')) {
            while (at < end && *at != '\n')
                at++;
        } else if (c == '/' && at < end && *at == '*') {
            const char *close = memmem(at + 1, (size_t)(end - at) - 1, "*/", 2);
            at = close ? close + 2 : end;
        }
    }
    return marks;
}

/* Whether this text was seen to have so many marks. Statements are Lua's strings, most of which
 * stay where they are for good: counting was a tenth of what a long one cost. Another text in the
 * place of one that was collected, as long and with a wrong number of parameters, gets through;
 * the server says no to it. */
static bool has_marks(const char *sql, size_t len, unsigned count)
{
    enum { SEEN = 256 };
    static struct {
        const char *sql;
        size_t len;
        unsigned marks;
    } seen[SEEN];
    size_t at = ((uintptr_t)sql >> 4) % SEEN;
    if (seen[at].sql == sql && seen[at].len == len && seen[at].marks == count)
        return true;
    seen[at].sql = sql;
    seen[at].len = len;
    seen[at].marks = count_marks(sql, sql + len);
    return seen[at].marks == count;
}

/* The argument as a parameter, whose text is Lua's still; raises when it can be none. */
static struct db_value param_of(lua_State *L, int arg)
{
    struct db_value value = {.kind = DB_NULL};
    switch (lua_type(L, arg)) {
    case LUA_TSTRING:
        value.kind = DB_TEXT;
        value.text = lua_tolstring(L, arg, &value.len);
        break;
    case LUA_TNUMBER: {
        double number = lua_tonumber(L, arg);
        luaL_argcheck(L, isfinite(number), arg, "not a finite number");
        if (number == floor(number) && fabs(number) < 9.2e18) {
            value.kind = DB_INTEGER;
            value.integer = (int64_t)number;
        } else {
            value.kind = DB_NUMBER;
            value.number = number;
        }
        break;
    }
    case LUA_TNIL:
        break;
    case LUA_TBOOLEAN:
        value.kind = DB_BOOLEAN;
        value.integer = lua_toboolean(L, arg);
        break;
    case LUA_TLIGHTUSERDATA:
        luaL_argcheck(L, !lua_touserdata(L, arg), arg, "not a value for the database");
        break;
    default:
        luaL_argerror(L, arg, "not a value for the database");
    }
    return value;
}

const struct db_value *lua_db_values(lua_State *L, int arg, unsigned count, size_t *bytes)
{
    static struct db_value *taken;
    static unsigned room;
    if (count > room) {
        room = count + 64;
        taken = mem_resize(taken, room * sizeof(*taken));
    }
    *bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        taken[i] = param_of(L, arg + (int)i);
        *bytes += taken[i].len;
    }
    return taken;
}

struct op *op_new(lua_State *L, enum op_kind kind, struct db_pool *pool, int arg)
{
    struct task *task = task_current(L);
    size_t len;
    const char *sql = luaL_checklstring(L, arg, &len);
    unsigned count = (unsigned)(lua_gettop(L) - arg);
    size_t bytes;
    const struct db_value *params = lua_db_values(L, arg + 1, count, &bytes);
    if (kind != OP_SCRIPT && !has_marks(sql, len, count))
        luaL_error(L, "%d parameters for %d placeholders: %s", (int)count,
                   (int)count_marks(sql, sql + len), sql);
    struct op *op =
        mem_resize(NULL, sizeof(*op) + count * sizeof(op->params[0]) + len + bytes);
    *op = (struct op){0}; /* and not what is behind it: all of that is written here */
    char *text = (char *)&op->params[count];
    op->kind = kind;
    op->task = task;
    op->pool = pool;
    op->sql = memcpy(text, sql, len);
    op->len = len;
    op->count = count;
    text += len;
    for (unsigned i = 0; i < count; i++) {
        struct db_value *param = &op->params[i];
        *param = params[i];
        if (param->kind == DB_TEXT) {
            param->text = memcpy(text, param->text, param->len);
            text += param->len;
        }
    }
    return op;
}

struct op *op_whole(lua_State *L, enum op_kind kind, struct db_pool *pool, int arg)
{
    struct op *op = op_new(L, kind, pool, arg);
    op->whole = true;
    return op;
}

struct op *op_fixed(lua_State *L, enum op_kind kind, struct db_pool *pool,
                    const char *sql)
{
    struct op *op = mem_new(sizeof(*op));
    op->kind = kind;
    op->task = task_current(L);
    op->pool = pool;
    op->sql = sql; /* static */
    op->len = strlen(sql);
    return op;
}

struct op *op_shaped(lua_State *L, struct db_pool *pool, int arg)
{
    struct db_shape *shape = lua_db_check_shape(L, arg);
    lua_Number max = luaL_checknumber(L, arg + 1);
    luaL_argcheck(L, max >= 0 && max <= 1e9, arg + 1, "a number of rows expected");
    struct op *op = op_new(L, OP_QUERY, pool, arg + 2);
    op->shape = db_shape_ref(shape);
    op->shape_max = (unsigned)max;
    return op;
}

void op_free(struct op *op)
{
    db_shape_unref(op->shape);
    free(op);
}
