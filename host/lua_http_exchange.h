/* lua_http_exchange.h - the inside of the binding host.http, for lua_http*.c only: one request
 * between C and Lua, and how its task waits for one operation on it. */
#pragma once
#include "buf.h"
#include "err.h"
#include "host.h"
#include "http.h"
#include "lua_task.h"
#include "upload.h"
#include "uuid.h"
#include <stdbool.h>

/* Lives from the request's arrival to the end of its task, which owns it. */
struct exchange {
    struct http_req *req;
    struct host *host;
    uint64_t began;           /* turn_time() when its head was there */
    struct box *box;          /* which the task holds */
    char trace[UUID_HEX + 1]; /* once exchange_trace has made it */
    struct task *task;        /* waiting, else NULL */
    bool ended;               /* the operation that may be waited for has its result */
    struct err *err;          /* that result, owned; NULL when it went well */
    struct buf body;
    size_t limit;
    struct upload *upload;
    bool form_open;        /* upload's result is waited for */
    struct exchange *next; /* when it is over */
};

/* The exchange at index 1; raises when it is none, or over. */
struct exchange *exchange_check(lua_State *L);
/* The id of the trace that begins with the request: UUID_HEX digits. */
const char *exchange_trace(struct exchange *exchange);
unsigned exchange_setting(const struct exchange *exchange, const char *key);

/* An operation: begin, start it with callbacks that call exchange_end, then return
 * exchange_wait with the same `push`. */
void exchange_begin(struct exchange *exchange);
/* Sets the result, once, and wakes the task if it waits. `exchange` may be gone
 * afterwards. */
void exchange_end(struct exchange *exchange, const struct err *err, task_push_cb push);
int exchange_wait(lua_State *L, struct exchange *exchange, task_push_cb push);

/* Methods of the request: see lua_http.c. */
int lua_http_body(lua_State *L);
int lua_http_multipart(lua_State *L);
int lua_http_keep(lua_State *L);
int lua_http_respond(lua_State *L);
int lua_http_frame(lua_State *L); /* of the module, as the next two */
int lua_http_headers(lua_State *L);
int lua_http_own_headers(lua_State *L);
int lua_http_send_file(lua_State *L);

/* Counts the request and writes its line; L holds what its entry point returned. */
void exchange_finish(lua_State *L, struct exchange *exchange);
