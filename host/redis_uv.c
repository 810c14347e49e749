/* While connecting the poll tells when the socket is writable. Afterwards commands are
 * collected and written right before the loop blocks, all of one turn in one write; the
 * poll watches WRITABLE only while the kernel has not taken everything. Watching READABLE
 * never stops. */
#include "redis_uv.h"
#include "mem.h"
#include <stdbool.h>
#include <stdlib.h>

struct adapter {
    redisAsyncContext *context; /* NULL once hiredis has let go of it */
    uv_poll_t poll;
    uv_prepare_t flush;
    int events; /* what poll watches */
    bool flushing;
    int handles; /* not yet closed */
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct adapter *adapter = poll->data;
    if (status < 0) { /* libuv has stopped the poll; hiredis finds out why */
        adapter->events = 0;
        redisAsyncHandleRead(adapter->context);
        return;
    }
    if (events & UV_READABLE)
        redisAsyncHandleRead(adapter->context);
    if (adapter->context && (events & UV_WRITABLE))
        redisAsyncHandleWrite(adapter->context);
}

static void watch(struct adapter *adapter, int events)
{
    if (events == adapter->events)
        return;
    adapter->events = events;
    if (events)
        uv_poll_start(&adapter->poll, events, on_poll);
    else
        uv_poll_stop(&adapter->poll);
}

static void on_flush(uv_prepare_t *prepare)
{
    struct adapter *adapter = prepare->data;
    uv_prepare_stop(prepare);
    adapter->flushing = true;
    redisAsyncHandleWrite(adapter->context);
    adapter->flushing = false;
}

static void add_read(void *arg)
{
    struct adapter *adapter = arg;
    watch(adapter, adapter->events | UV_READABLE);
}

static void del_read(void *arg)
{
    struct adapter *adapter = arg;
    watch(adapter, adapter->events & ~UV_READABLE);
}

static void add_write(void *arg)
{
    struct adapter *adapter = arg;
    if (adapter->flushing || !(adapter->context->c.flags & REDIS_CONNECTED))
        watch(adapter, adapter->events | UV_WRITABLE);
    else if (!(adapter->events & UV_WRITABLE))
        uv_prepare_start(&adapter->flush, on_flush);
}

static void del_write(void *arg)
{
    struct adapter *adapter = arg;
    watch(adapter, adapter->events & ~UV_WRITABLE);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct adapter *adapter = handle->data;
    if (--adapter->handles == 0)
        free(adapter);
}

static void cleanup(void *arg)
{
    struct adapter *adapter = arg;
    adapter->context = NULL;
    uv_close((uv_handle_t *)&adapter->poll, on_handle_closed);
    uv_close((uv_handle_t *)&adapter->flush, on_handle_closed);
}

void redis_uv_attach(redisAsyncContext *context, uv_loop_t *loop)
{
    struct adapter *adapter = mem_new(sizeof(*adapter));
    adapter->context = context;
    if (uv_poll_init(loop, &adapter->poll, context->c.fd) != 0)
        abort(); /* a fresh socket can always be polled */
    uv_prepare_init(loop, &adapter->flush);
    adapter->poll.data = adapter;
    adapter->flush.data = adapter;
    adapter->handles = 2;
    context->ev.data = adapter;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
}
