/* Lua: host.image - pictures, by way of the jailed image process.
 *
 *   image.inspect(path) -> {format, width, height, pages, orientation, gps} | nil, err
 * (waits) format: jpeg png webp gif heic avif pdf unknown, by content. Reads the header
 * only. The rest is absent where it is not read (pdf, unknown, heic and avif unless
 * configured). image.clean(path_in, path_out, {format =, quality = 85})
 *       -> {format, width, height, size, sha256, gps} | nil, err (waits) upright, sRGB,
 * without any metadata; gps is what was taken out image.thumbnail(path_in, path_out,
 * {width =, height =, fit = "cover", format =, quality = 80})
 *       -> {format, width, height, size, sha256} | nil, err (waits) fit: "cover" and
 * "contain" give exactly that size, "inside" at most, never enlarged
 *
 *   format of the output: jpeg png webp gif avif, as the input when left out; gps:
 * {latitude, longitude} in degrees. err.code: INVALID TOO_LARGE BUSY UNAVAILABLE TIMEOUT,
 * and NOT_FOUND, DISK_FULL, IO for the files. After a failure there is no path_out. */
#include "image_client.h"
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include <stdlib.h>
#include <string.h>

enum { CLEAN_QUALITY = 85, THUMBNAIL_QUALITY = 80 };

/* One call that waits. */
struct op {
    struct task *task;
    struct image_job *job;
    enum image_op kind;
    const struct image_result *result; /* during push only; one of the two is NULL */
    const struct err *err;
};

static void set_number(lua_State *L, const char *key, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

static void push_result(lua_State *L, enum image_op kind,
                        const struct image_result *result)
{
    lua_createtable(L, 0, 6);
    lua_pushstring(L, image_format_name(result->format));
    lua_setfield(L, -2, "format");
    if (result->width > 0) {
        set_number(L, "width", result->width);
        set_number(L, "height", result->height);
    }
    if (kind == IMAGE_INSPECT && result->width > 0) {
        set_number(L, "pages", result->pages);
        set_number(L, "orientation", result->orientation);
    }
    if (kind != IMAGE_INSPECT) {
        set_number(L, "size", (double)result->size);
        lua_pushstring(L, result->sha256);
        lua_setfield(L, -2, "sha256");
    }
    if (kind != IMAGE_THUMBNAIL && result->has_gps) {
        lua_createtable(L, 0, 2);
        set_number(L, "latitude", result->latitude);
        set_number(L, "longitude", result->longitude);
        lua_setfield(L, -2, "gps");
    }
}

static int push_op(lua_State *L, void *arg)
{
    struct op *op = arg;
    if (op->err)
        return lua_fail(L, op->err);
    push_result(L, op->kind, op->result);
    return 1;
}

static void on_done(void *arg, const struct image_result *result, const struct err *err)
{
    struct op *op = arg;
    op->result = result;
    op->err = err;
    task_wake(op->task, push_op, op);
    free(op);
}

static void cancel(void *arg)
{
    struct op *op = arg;
    image_cancel(op->job);
    free(op);
}

static int start(lua_State *L, const struct image_options *options)
{
    struct task *task = task_current(L);
    struct image_client *client = vm_host(L)->image;
    if (!client)
        return lua_fail_code(L, ERR_UNAVAILABLE, "this process has no image process");
    struct err err;
    struct op *op = mem_new(sizeof(*op));
    op->task = task;
    op->kind = options->op;
    op->job = image_start(client, options, on_done, op, &err);
    if (!op->job) {
        free(op);
        return lua_fail(L, &err);
    }
    return task_wait(L, cancel, op);
}

static int check_option(lua_State *L, const char *key, int fallback, int max)
{
    lua_Number value = opt_number(L, 3, key, fallback);
    if (!(value >= 1 && value <= max))
        luaL_error(L, "option '%s': 1 to %d expected", key, max);
    return (int)value;
}

static enum image_format check_format(lua_State *L)
{
    const char *name = opt_string(L, 3, "format", NULL, NULL);
    if (!name)
        return IMAGE_UNKNOWN;
    enum image_format format = image_format_parse(name);
    if (format == IMAGE_UNKNOWN || format == IMAGE_PDF || format == IMAGE_HEIC)
        luaL_error(L, "option 'format': '%s' cannot be written", name);
    return format;
}

static enum image_fit check_fit(lua_State *L)
{
    const char *name = opt_string(L, 3, "fit", "cover", NULL);
    if (strcmp(name, "cover") == 0)
        return IMAGE_COVER;
    if (strcmp(name, "contain") == 0)
        return IMAGE_CONTAIN;
    if (strcmp(name, "inside") != 0)
        luaL_error(L, "option 'fit': 'cover', 'contain' or 'inside' expected");
    return IMAGE_INSIDE;
}

static int l_inspect(lua_State *L)
{
    struct image_options options = {.op = IMAGE_INSPECT, .in = check_path(L, 1)};
    return start(L, &options);
}

static int l_clean(lua_State *L)
{
    struct image_options options = {
        .op = IMAGE_CLEAN,
        .in = check_path(L, 1),
        .out = check_path(L, 2),
        .format = check_format(L),
        .quality = check_option(L, "quality", CLEAN_QUALITY, 100),
    };
    return start(L, &options);
}

static int l_thumbnail(lua_State *L)
{
    struct image_options options = {
        .op = IMAGE_THUMBNAIL,
        .in = check_path(L, 1),
        .out = check_path(L, 2),
        .format = check_format(L),
        .quality = check_option(L, "quality", THUMBNAIL_QUALITY, 100),
        .fit = check_fit(L),
        .width = check_option(L, "width", 0, IMAGE_SIDE_MAX),
        .height = check_option(L, "height", 0, IMAGE_SIDE_MAX),
    };
    return start(L, &options);
}

static const luaL_Reg functions[] = {
    {"inspect", l_inspect},
    {"clean", l_clean},
    {"thumbnail", l_thumbnail},
    {NULL, NULL},
};

int luaopen_host_image(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
