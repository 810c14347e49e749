/* lua_util.h - what every binding shares: failures, boxes, module tables. */
#pragma once
#include "err.h"
#include <lauxlib.h>
#include <lua.h>

/* Pushes nil and the error table {code, message} (tostring gives "CODE: message"); returns 2.
 * The only place in C that makes such a table. */
int lua_fail(lua_State *L, const struct err *err);
int lua_fail_code(lua_State *L, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A box is userdata that begins with a pointer, under the metatable `type` ("host.db.conn"):
 * created empty, then filled, so that __gc is always safe. box_new pushes it and returns the slot.
 * It is known by the address of `type`, which is looked at before its text is. */
struct box {
    void *pointer;
    const char *type;
};
void **box_new(lua_State *L, const char *type);

/* The pointer in the box at `arg`; raises when it is another type or was closed (NULL). */
void *box_check(lua_State *L, int arg, const char *type);

/* The slot itself: for close() and __gc, which must accept an empty box. */
void **box_slot(lua_State *L, int arg, const char *type);

/* Registers the metatable `type`: methods become __index, `meta` (or NULL) the metamethods
 * such as __gc; __tostring shows the type, __metatable is locked. */
void box_type(lua_State *L, const char *type, const luaL_Reg *methods,
              const luaL_Reg *meta);

/* Pushes a new module table holding `functions`. */
void lua_module(lua_State *L, const luaL_Reg *functions);

/* Options in the table at `arg` (nil and none count as empty). The string lives as long as the
 * table holds it. A wrong type raises naming the key. */
const char *opt_string(lua_State *L, int arg, const char *key, const char *fallback,
                       size_t *len);
lua_Number opt_number(lua_State *L, int arg, const char *key, lua_Number fallback);
int opt_boolean(lua_State *L, int arg, const char *key, int fallback);

/* The file path at `arg`. Raises when it is empty or holds a NUL: C would open another file than
 * the one that was checked. */
const char *check_path(lua_State *L, int arg);
