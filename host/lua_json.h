/* lua_json.h - JSON and Lua's values, for C that is a closure over the codec's upvalues.
 *
 * The marks of arrays, objects and raw text are metatables, one set for each Lua state. All
 * functions here are called by C functions whose first upvalues are those of the functions of
 * host.json. */
#pragma once
#include "err.h"
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct buf;

enum {
    LUA_JSON_UPVALUES = 4,
    LUA_JSON_BUFFER = lua_upvalueindex(1), /* struct buf, for who has none of their own */
    LUA_JSON_ARRAY = lua_upvalueindex(2),
    LUA_JSON_OBJECT = lua_upvalueindex(3),
    LUA_JSON_RAW = lua_upvalueindex(4),
    LUA_JSON_DEPTH = 128, /* levels that are written unless fewer are allowed */
};

enum lua_json_mark {
    LUA_JSON_MARK_NONE,
    LUA_JSON_MARK_ARRAY,
    LUA_JSON_MARK_OBJECT,
    LUA_JSON_MARK_RAW,
};

struct lua_json_options {
    bool sorted;    /* the keys of objects, which are then text */
    bool strict;    /* raise on bytes that are no UTF-8, not write U+FFFD */
    unsigned depth; /* 0: LUA_JSON_DEPTH */
    size_t max;     /* bytes written; 0: any number */
    void (*too_long)(lua_State *L); /* raises; with max */
    void (*tick)(lua_State *L);     /* for each table, may raise; or NULL */
};

/* With the table of host.json on top: pushes the upvalues, for luaL_setfuncs. */
void lua_json_push_upvalues(lua_State *L);

enum lua_json_mark lua_json_mark(lua_State *L, int index);

/* Appends the value at `index` (positive) to `buf`; raises as json.encode does, and on what
 * the options forbid: `buf` then ends somewhere within the value. */
void lua_json_encode(lua_State *L, int index, struct buf *buf,
                     const struct lua_json_options *options);

/* Pushes the value of the text and returns 0, or pushes nothing and returns -1, with
 * `*offset` the byte of the error. `drop_nulls`: null as a value of an object leaves the key
 * out, and as the whole text is nil; in arrays it stays. Its buffer is used. */
int lua_json_decode(lua_State *L, const char *text, size_t len, unsigned max_depth,
                    bool drop_nulls, size_t *offset, struct err *err);
