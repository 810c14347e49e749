/* Reading the body of a request: as one text, or as a form whose files go to disk. */
#include "lua_http_exchange.h"
#include "lua_util.h"
#include "multipart.h"

/* ---- body ---- */

static int push_body(lua_State *L, void *op)
{
    struct exchange *exchange = op;
    if (exchange->err)
        return lua_fail(L, exchange->err);
    lua_pushlstring(L, exchange->body.data ? exchange->body.data : "",
                    exchange->body.len);
    buf_free(&exchange->body);
    return 1;
}

static int too_large(const struct exchange *exchange, struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "the body is larger than %zu bytes",
                   exchange->limit);
}

static int on_body_data(void *arg, const char *data, size_t len, struct err *err)
{
    struct exchange *exchange = arg;
    if (len > exchange->limit - exchange->body.len)
        return too_large(exchange, err);
    buf_append(&exchange->body, data, len);
    return 0;
}

static void on_body_end(void *arg, const struct err *err)
{
    exchange_end(arg, err, push_body);
}

static const struct http_sink body_sink = {on_body_data, on_body_end};

int lua_http_body(lua_State *L)
{
    struct exchange *exchange = exchange_check(L);
    lua_Number limit = luaL_checknumber(L, 2);
    struct err err;
    luaL_argcheck(L, limit >= 0 && limit < 1e15, 2, "a size in bytes expected");
    task_current(L);
    exchange->limit = (size_t)limit;
    if (http_req_content_length(exchange->req) > (int64_t)limit) {
        too_large(exchange, &err);
        return lua_fail(L, &err);
    }
    exchange_begin(exchange);
    if (http_req_read(exchange->req, &body_sink, exchange, &err) < 0)
        return luaL_error(L, "%s", err.message);
    return exchange_wait(L, exchange, push_body);
}

/* ---- multipart ---- */

static void push_file(lua_State *L, const struct upload_file *file)
{
    lua_createtable(L, 0, 6);
    lua_pushstring(L, file->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, file->filename);
    lua_setfield(L, -2, "filename");
    lua_pushstring(L, file->type);
    lua_setfield(L, -2, "type");
    lua_pushstring(L, file->path);
    lua_setfield(L, -2, "path");
    lua_pushnumber(L, (lua_Number)file->size);
    lua_setfield(L, -2, "size");
    lua_pushstring(L, file->sha256);
    lua_setfield(L, -2, "sha256");
}

static int push_form(lua_State *L, void *op)
{
    struct exchange *exchange = op;
    const struct upload *upload = exchange->upload;
    if (exchange->err) {
        int count = lua_fail(L, exchange->err);
        if (upload_error_part(upload)) {
            lua_pushstring(L, upload_error_part(upload));
            lua_setfield(L, -2, "field");
        }
        return count;
    }
    const struct upload_field *field;
    const struct upload_file *file;
    lua_createtable(L, 0, 2);
    lua_newtable(L);
    for (size_t i = 0; (field = upload_field_at(upload, i)); i++) {
        lua_pushstring(L, field->name);
        lua_pushlstring(L, field->value, field->len);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "fields");
    lua_newtable(L);
    for (size_t i = 0; (file = upload_file_at(upload, i)); i++) {
        push_file(L, file);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "files");
    return 1;
}

static void end_form(struct exchange *exchange, const struct err *err)
{
    exchange->form_open = false;
    if (exchange->task)
        task_set_deadline(exchange->task,
                          exchange_setting(exchange, "http.request_timeout_ms"));
    exchange_end(exchange, err, push_form);
}

static void on_upload_full(void *arg, bool full)
{
    struct exchange *exchange = arg;
    if (full)
        http_req_pause(exchange->req);
    else
        http_req_resume(exchange->req);
}

static void on_upload_done(void *arg, const struct err *err)
{
    struct exchange *exchange = arg;
    if (!exchange->form_open)
        return;
    http_req_stop(
        exchange->req); /* when the disk failed the rest of the body is not wanted */
    end_form(exchange, err);
}

static const struct upload_events upload_events = {on_upload_full, on_upload_done};

static int on_form_data(void *arg, const char *data, size_t len, struct err *err)
{
    struct exchange *exchange = arg;
    return upload_feed(exchange->upload, data, len, err);
}

static void on_form_end(void *arg, const struct err *err)
{
    struct exchange *exchange = arg;
    struct err problem;
    if (err)
        end_form(exchange, err);
    else if (upload_finish(exchange->upload, &problem) < 0)
        end_form(exchange, &problem);
}

static const struct http_sink form_sink = {on_form_data, on_form_end};

static lua_Number size_option(lua_State *L, const char *key)
{
    lua_Number value = opt_number(L, 2, key, -1);
    if (!(value >= 0 && value <= 1e12))
        luaL_error(L, "option '%s': a number from 0 expected", key);
    return value;
}

int lua_http_multipart(lua_State *L)
{
    struct exchange *exchange = exchange_check(L);
    char boundary[MULTIPART_BOUNDARY_MAX + 1];
    struct err err;
    luaL_checktype(L, 2, LUA_TTABLE);
    struct task *task = task_current(L);
    struct upload_limits limits = {
        .max_file = (uint64_t)size_option(L, "max_file"),
        .max_files = (unsigned)size_option(L, "max_files"),
        .max_fields = (unsigned)size_option(L, "max_fields"),
        .max_text = (size_t)size_option(L, "max_text"),
        .dir = opt_string(L, 2, "dir", NULL, NULL),
    };
    if (!limits.dir)
        return luaL_error(L, "option 'dir': string expected");
    if (exchange->upload)
        return luaL_error(L, "the body was read already");
    const char *type = http_req_header(exchange->req, "content-type", NULL);
    if (multipart_boundary(type ? type : "", boundary, &err) < 0)
        return lua_fail(L, &err);
    exchange_begin(exchange);
    exchange->form_open = true;
    exchange->upload =
        upload_new(exchange->host->loop, boundary, &limits, &upload_events, exchange);
    if (http_req_read(exchange->req, &form_sink, exchange, &err) < 0)
        return luaL_error(L, "%s", err.message);
    if (!exchange->ended)
        task_set_deadline(task, exchange_setting(exchange, "http.body_timeout_ms"));
    return exchange_wait(L, exchange, push_form);
}

int lua_http_keep(lua_State *L)
{
    struct exchange *exchange = exchange_check(L);
    const char *path = luaL_checkstring(L, 2);
    lua_pushboolean(L, exchange->upload && upload_keep(exchange->upload, path));
    return 1;
}
