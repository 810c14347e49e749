/* Lua: host.fs - files, read and written in the thread pool.
 *
 * All but the last two wait:
 *   fs.read(path, max) -> text | nil, err           max bytes, 64 MiB when left out
 *   fs.write(path, text) -> true | nil, err         all or nothing, durable
 *   fs.append(path, text) -> true | nil, err        makes the file; not durable
 *   fs.rename(from, to) -> true | nil, err
 *   fs.copy(from, to) -> true | nil, err            all or nothing, durable
 *   fs.install(tmp, final) -> true | nil, err       durable rename, makes the parents
 *   fs.unlink(path) -> true | nil, err
 *   fs.mkdir(path) -> true | nil, err               with parents; existing is fine
 *   fs.stat(path) -> {size, mtime_ms, type = "file"|"dir"} | nil, err
 *   fs.space(path) -> {free, total} | nil, err      bytes of its file system
 *   fs.list(path) -> {names, sorted} | nil, err
 *   fs.hash(path) -> sha256 in hex | nil, err
 *   fs.read_now(path, max), fs.list_now(path)       the same, blocking: boot and commands only
 *
 * err.code: NOT_FOUND EXISTS DISK_FULL TOO_LARGE IO. An operation whose task is cancelled
 * goes on to its end; only nobody hears of it. */
#include "fs.h"
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include <stdlib.h>
#include <string.h>

#define READ_LIMIT (64 << 20)

/* One call that waits. */
struct op {
    struct task *task; /* NULL once cancelled */
    enum fs_kind kind;
    const struct fs_result *result; /* during push only */
    const struct err *err;
};

static size_t check_limit(lua_State *L, int arg)
{
    lua_Number limit = luaL_optnumber(L, arg, READ_LIMIT);
    luaL_argcheck(L, limit >= 0 && limit <= 1e15, arg, "is no number of bytes");
    return (size_t)limit;
}

static int push_result(lua_State *L, enum fs_kind kind, const struct fs_result *result)
{
    int i = 0;
    switch (kind) {
    case FS_READ:
    case FS_HASH:
        lua_pushlstring(L, result->data.data ? result->data.data : "", result->data.len);
        return 1;
    case FS_STAT:
        lua_createtable(L, 0, 3);
        lua_pushnumber(L, (lua_Number)result->size);
        lua_setfield(L, -2, "size");
        lua_pushnumber(L, (lua_Number)result->mtime_ms);
        lua_setfield(L, -2, "mtime_ms");
        lua_pushstring(L, result->is_dir ? "dir" : "file");
        lua_setfield(L, -2, "type");
        return 1;
    case FS_SPACE:
        lua_createtable(L, 0, 2);
        lua_pushnumber(L, (lua_Number)result->size);
        lua_setfield(L, -2, "free");
        lua_pushnumber(L, (lua_Number)result->total);
        lua_setfield(L, -2, "total");
        return 1;
    case FS_LIST:
        lua_newtable(L);
        for (size_t at = 0; at < result->data.len;) {
            const char *name = result->data.data + at;
            at += strlen(name) + 1;
            lua_pushstring(L, name);
            lua_rawseti(L, -2, ++i);
        }
        return 1;
    default:
        lua_pushboolean(L, 1);
        return 1;
    }
}

static int push_op(lua_State *L, void *arg)
{
    struct op *op = arg;
    return op->err ? lua_fail(L, op->err) : push_result(L, op->kind, op->result);
}

static void on_done(void *arg, const struct fs_result *result, const struct err *err)
{
    struct op *op = arg;
    op->result = result;
    op->err = err;
    if (op->task)
        task_wake(op->task, push_op, op);
    free(op);
}

static void cancel(void *arg)
{
    struct op *op = arg;
    op->task = NULL;
}

static int start(lua_State *L, const struct fs_request *request)
{
    struct task *task = task_current(L);
    struct op *op = mem_new(sizeof(*op));
    op->task = task;
    op->kind = request->kind;
    fs_start(vm_host(L)->loop, request, on_done, op);
    return task_wait(L, cancel, op);
}

static int run_now(lua_State *L, const struct fs_request *request)
{
    struct fs_result result;
    struct err err;
    int count = fs_run(request, &result, &err) < 0
                    ? lua_fail(L, &err)
                    : push_result(L, request->kind, &result);
    buf_free(&result.data);
    return count;
}

static struct fs_request one_path(lua_State *L, enum fs_kind kind)
{
    return (struct fs_request){.kind = kind, .path = check_path(L, 1)};
}

static struct fs_request two_paths(lua_State *L, enum fs_kind kind)
{
    return (struct fs_request){
        .kind = kind, .path = check_path(L, 1), .to = check_path(L, 2)};
}

static struct fs_request reading(lua_State *L)
{
    struct fs_request request = one_path(L, FS_READ);
    request.limit = check_limit(L, 2);
    return request;
}

static int l_read(lua_State *L)
{
    struct fs_request request = reading(L);
    return start(L, &request);
}

static int l_read_now(lua_State *L)
{
    struct fs_request request = reading(L);
    return run_now(L, &request);
}

static int l_write(lua_State *L)
{
    struct fs_request request = one_path(L, FS_WRITE);
    request.data = luaL_checklstring(L, 2, &request.len);
    return start(L, &request);
}

static int l_append(lua_State *L)
{
    struct fs_request request = one_path(L, FS_APPEND);
    request.data = luaL_checklstring(L, 2, &request.len);
    return start(L, &request);
}

static int l_rename(lua_State *L)
{
    struct fs_request request = two_paths(L, FS_RENAME);
    return start(L, &request);
}

static int l_copy(lua_State *L)
{
    struct fs_request request = two_paths(L, FS_COPY);
    return start(L, &request);
}

static int l_install(lua_State *L)
{
    struct fs_request request = two_paths(L, FS_INSTALL);
    return start(L, &request);
}

static int l_unlink(lua_State *L)
{
    struct fs_request request = one_path(L, FS_UNLINK);
    return start(L, &request);
}

static int l_mkdir(lua_State *L)
{
    struct fs_request request = one_path(L, FS_MKDIR);
    return start(L, &request);
}

static int l_stat(lua_State *L)
{
    struct fs_request request = one_path(L, FS_STAT);
    return start(L, &request);
}

static int l_space(lua_State *L)
{
    struct fs_request request = one_path(L, FS_SPACE);
    return start(L, &request);
}

static int l_list(lua_State *L)
{
    struct fs_request request = one_path(L, FS_LIST);
    return start(L, &request);
}

static int l_list_now(lua_State *L)
{
    struct fs_request request = one_path(L, FS_LIST);
    return run_now(L, &request);
}

static int l_hash(lua_State *L)
{
    struct fs_request request = one_path(L, FS_HASH);
    return start(L, &request);
}

static const luaL_Reg functions[] = {
    {"read", l_read},       {"read_now", l_read_now}, {"write", l_write},
    {"append", l_append},   {"rename", l_rename},     {"copy", l_copy},
    {"install", l_install}, {"unlink", l_unlink},     {"mkdir", l_mkdir},
    {"stat", l_stat},       {"list", l_list},         {"list_now", l_list_now},
    {"hash", l_hash},       {"space", l_space},       {NULL, NULL},
};

int luaopen_host_fs(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
