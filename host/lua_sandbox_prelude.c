/* The primitives of the prelude: lua_sandbox_vm.h says what each does. */
#include "json.h"
#include "lua_bindings.h"
#include "lua_json.h"
#include "lua_sandbox_vm.h"
#include "mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A scratch for a text of the sandbox's own making, bounded like every text of its libraries. */
static void too_long_for_text(lua_State *L)
{
    luaL_error(L, "the JSON would be longer than %d bytes", SANDBOX_STRING_MAX);
}

static void too_long_for_output(lua_State *L)
{
    char text[64];
    snprintf(text, sizeof(text), "output %zu KiB",
             sandbox_vm_of(L)->now->output_max / 1024);
    sandbox_raise_limit(L, "LIMIT_OUTPUT", text);
}

void sandbox_encode(lua_State *L, int index, struct buf *out, size_t max)
{
    struct lua_json_options options = {
        .sorted = true,
        .strict = true,
        .depth = SANDBOX_JSON_DEPTH,
        .max = max,
        .too_long = too_long_for_output,
        .tick = sandbox_charge_clock,
    };
    lua_json_encode(L, index, out, &options);
}

static void put_place(struct buf *out, const struct sandbox_place *place)
{
    if (!place->file[0])
        return;
    buf_puts(out, ",\"file\":");
    buf_json_string(out, place->file, strlen(place->file));
    buf_printf(out, ",\"line\":%d", place->line);
}

static int l_call(lua_State *L)
{
    struct sandbox_vm *vm = sandbox_vm_of(L);
    struct sandbox_activity *now = vm->now;
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    lua_settop(L, 2);
    if (!now->is_run)
        sandbox_raise(L, "SCRIPT_ERROR", "%s cannot be called while the file is loaded",
                      name);
    if (vm->depth)
        sandbox_raise(L, "SCRIPT_ERROR",
                      "%s cannot be called inside a function given to sort or gsub",
                      name);
    struct sandbox_place place = sandbox_place(L, 0);
    buf_clear(&now->call);
    buf_puts(&now->call, "{\"name\":");
    buf_json_string(&now->call, name, len);
    buf_puts(&now->call, ",\"arguments\":");
    sandbox_encode(L, 2, &now->call, now->output_max);
    put_place(&now->call, &place);
    buf_putc(&now->call, '}');
    return lua_yield(L, 0);
}

static int l_log_line(lua_State *L)
{
    struct sandbox_activity *now = sandbox_vm_of(L)->now;
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    if (!now->is_run || now->log_cut)
        return 0;
    sandbox_charge(L, 10 + (unsigned)len / 16);
    if (len > now->log_left) {
        now->log_cut = true;
        return 0;
    }
    now->log_left -= len;
    if (now->log.len)
        buf_putc(&now->log, ',');
    buf_json_string(&now->log, text, len);
    return 0;
}

static int l_where(lua_State *L)
{
    struct sandbox_place place = sandbox_place(L, 0);
    if (!place.file[0])
        return 0;
    lua_pushstring(L, place.file);
    lua_pushinteger(L, place.line);
    return 2;
}

static int l_at(lua_State *L)
{
    struct sandbox_activity *now = sandbox_vm_of(L)->now;
    size_t len;
    const char *file = luaL_checklstring(L, 1, &len);
    int line = sandbox_check_integer(L, 2);
    free(now->file);
    now->file = mem_copy(file, len);
    now->line = line;
    return 0;
}

static int l_fail(lua_State *L)
{
    const char *code = luaL_checkstring(L, 1);
    const char *message = luaL_checkstring(L, 2);
    return sandbox_raise(L, code, "%s", message);
}

static int l_json_encode(lua_State *L)
{
    struct lua_json_options options = {
        .sorted = true,
        .strict = true,
        .depth = SANDBOX_JSON_DEPTH,
        .max = SANDBOX_STRING_MAX,
        .too_long = too_long_for_text,
        .tick = sandbox_charge_clock,
    };
    struct buf *buf = lua_touserdata(L, LUA_JSON_BUFFER);
    luaL_checkany(L, 1);
    buf_clear(buf);
    lua_json_encode(L, 1, buf, &options);
    lua_pushlstring(L, buf->data, buf->len);
    buf_clear(buf);
    return 1;
}

static int l_json_decode(lua_State *L)
{
    size_t len, offset;
    struct err err;
    const char *text = luaL_checklstring(L, 1, &len);
    luaL_argcheck(L, len <= SANDBOX_STRING_MAX, 1, "the text is longer than 256 KiB");
    sandbox_charge(L, 10 + (unsigned)len);
    if (lua_json_decode(L, text, len, JSON_DEPTH, false, &offset, &err) == 0)
        return 1;
    lua_pushnil(L);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, err.code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, err.message);
    lua_setfield(L, -2, "message");
    lua_pushnumber(L, (lua_Number)offset);
    lua_setfield(L, -2, "offset");
    return 2;
}

static int l_budget(lua_State *L)
{
    const struct sandbox_vm *vm = sandbox_vm_of(L);
    const struct {
        const char *name;
        lua_Number value;
    } fields[] = {
        {"cpuMs", (lua_Number)sandbox_cpu_us(vm->now, true) / 1000},
        {"cpuLimitMs", (lua_Number)vm->now->cpu_limit_us / 1000},
        {"memoryBytes", (lua_Number)vm->memory->used},
        {"memoryLimitBytes", (lua_Number)vm->memory->max},
    };
    lua_createtable(L, 0, 4);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        lua_pushnumber(L, fields[i].value);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

static int l_state(lua_State *L)
{
    struct sandbox_activity *now = sandbox_vm_of(L)->now;
    if (!now->is_run)
        return 0;
    if (now->state_ref == LUA_NOREF) {
        lua_newtable(L);
        now->state_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, now->state_ref);
    return 1;
}

static int l_read_only(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    sandbox_push_read_only(L);
    return 1;
}

/* FNV-1a. */
static int l_random_seed(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
    sandbox_vm_of(L)->now->random = hash;
    return 0;
}

static void move_field(lua_State *L, int from, const char *name, const char *as)
{
    lua_getfield(L, from, name);
    lua_setfield(L, -2, as);
}

void sandbox_push_primitives(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"call", l_call},
        {"log_line", l_log_line},
        {"where", l_where},
        {"at", l_at},
        {"fail", l_fail},
        {"json_encode", l_json_encode},
        {"json_decode", l_json_decode},
        {"budget", l_budget},
        {"state", l_state},
        {"read_only", l_read_only},
        {"random_seed", l_random_seed},
        {NULL, NULL},
    };
    luaopen_host_json(L);
    int json = lua_gettop(L);
    lua_newtable(L);
    lua_pushvalue(L, json);
    lua_json_push_upvalues(L);
    lua_remove(L, -LUA_JSON_UPVALUES - 1);
    luaL_setfuncs(L, functions, LUA_JSON_UPVALUES);
    move_field(L, json, "array", "array");
    move_field(L, json, "object", "object");
    move_field(L, json, "is_array", "is_array");
    move_field(L, json, "null", "null");
    lua_insert(L, json);
}
