/* getaddrinfo in libuv's pool. It takes numeric names too, at once. A look-up under way
 * cannot be interrupted, so a cancelled one only forgets whom to tell. */
#include "resolve.h"
#include "mem.h"
#include <netdb.h>
#include <stdlib.h>

struct resolve {
    uv_getaddrinfo_t request;
    resolve_cb done; /* NULL once cancelled */
    void *arg;
};

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct resolve *resolve = request->data;
    char address[NI_MAXHOST];
    struct err err;
    if (status == 0)
        status = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address),
                             NULL, 0, NI_NUMERICHOST)
                     ? UV_EAI_NONAME
                     : 0;
    if (resolve->done && status == 0) {
        resolve->done(resolve->arg, address, NULL);
    } else if (resolve->done) {
        err_set(&err, ERR_UNAVAILABLE, "the host name cannot be resolved: %s",
                uv_strerror(status));
        resolve->done(resolve->arg, NULL, &err);
    }
    if (found)
        uv_freeaddrinfo(found);
    free(resolve);
}

struct resolve *resolve_start(uv_loop_t *loop, const char *name, resolve_cb done,
                              void *arg)
{
    struct resolve *resolve = mem_new(sizeof(*resolve));
    resolve->done = done;
    resolve->arg = arg;
    resolve->request.data = resolve;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    if (uv_getaddrinfo(loop, &resolve->request, on_resolved, name, NULL, &hints) != 0)
        abort(); /* only out of memory and names over 64 KiB */
    return resolve;
}

void resolve_cancel(struct resolve *resolve)
{
    resolve->done = NULL;
    uv_cancel((uv_req_t *)&resolve->request);
}
