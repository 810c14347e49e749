/* sandbox_proto.h - what a worker, the zygote and a sandbox process say to each other.
 *
 * The zygote knows processes by a hash of their names: what it does not know, none of its children
 * can find in what a fork leaves them.
 *
 * All of it goes over Unix SOCK_SEQPACKET sockets, one packet per message. A worker asks the
 * zygote for a connection to the process of a name and gets one end of a socket pair; the process
 * gets the other end from the zygote, over its control socket. From then on worker and process
 * speak without the zygote.
 *
 * A sandbox process runs what strangers wrote and may have been taken over by it: a worker checks
 * every field of what it says. Nobody believes the zygote less than itself: it only ever reads
 * what workers wrote. */
#pragma once
#include <stdint.h>

enum {
    SANDBOX_PROTO = 0x5301,       /* changes with the layouts: old and new never mix */
    SANDBOX_TEXT_MAX = 160 << 10, /* bytes behind a header */
    SANDBOX_PART_NAME_MAX = 255,  /* bytes of the name of a release's part */
};

/* ---- worker and sandbox process ---- */

enum sandbox_kind {
    /* to the process */
    SANDBOX_LOAD = 1, /* a part of release `id`: `a` bytes of its name, then its text */
    SANDBOX_DROP,     /* release `id` is not needed any more */
    SANDBOX_RUN,      /* begin run `id`: struct sandbox_run_head, then JSON */
    SANDBOX_RESULT,   /* what run `id` asked for: JSON, of an error unless SANDBOX_OK */
    SANDBOX_CANCEL,   /* nobody waits for run `id` any more; answered by SANDBOX_DONE */
    /* from the process */
    SANDBOX_LOADED, /* the answer to the last part: JSON, of the problem unless SANDBOX_OK */
    SANDBOX_CALL, /* run `id` asks for something: JSON */
    SANDBOX_DONE, /* the last word about run `id`: JSON; `a` CPU in us, `b` bytes of memory */
};

/* Flags. */
enum {
    SANDBOX_FIRST = 1,   /* LOAD: what was loaded in part before is forgotten */
    SANDBOX_LAST = 2,    /* LOAD: answer */
    SANDBOX_PRELUDE = 4, /* LOAD: ours, not the author's */
    SANDBOX_OK = 8,      /* RESULT, LOADED, DONE */
    SANDBOX_UNKNOWN =
        16,            /* DONE, without a text: there is no such release, load it first */
    SANDBOX_FULL = 32, /* DONE, without a text: too many runs, or no memory for another */
    SANDBOX_STOPPED = 64, /* DONE, without a text: it was cancelled */
};

struct sandbox_header {
    uint16_t proto;
    uint16_t kind; /* enum sandbox_kind */
    uint32_t flags;
    uint64_t id; /* the worker's number of a run or release */
    int64_t a, b;
};

struct sandbox_run_head {
    uint64_t release;
    int64_t cpu_us;
    uint64_t output_max, log_max; /* bytes */
};

/* ---- worker and zygote ---- */

enum sandbox_request_kind {
    SANDBOX_OPEN =
        1, /* a connection to the process of that name, which is made when there is none */
    SANDBOX_KILL, /* process `id` answers nobody */
    SANDBOX_USED, /* process `id` has something to do: not the one to end */
};

struct sandbox_request {
    uint32_t proto;
    uint32_t kind;    /* enum sandbox_request_kind */
    uint64_t id;      /* OPEN: comes back; else of a process */
    uint64_t name[2]; /* OPEN: the hash */
    int32_t nice;     /* OPEN: of a process that is made for it */
    uint32_t reserved;
};

enum sandbox_reply_kind {
    SANDBOX_OPENED = 1, /* with the connection as its only descriptor */
    SANDBOX_REFUSED,    /* there is no room for another process just now */
    SANDBOX_COUNT,      /* nothing but `processes`, which has changed */
};

struct sandbox_reply {
    uint32_t proto;
    uint32_t kind;      /* enum sandbox_reply_kind */
    uint64_t id;        /* of the request */
    uint64_t process;   /* the zygote's number for it, never used twice */
    int32_t pid;        /* the kernel's */
    uint32_t processes; /* that there are */
};

/* ---- zygote and sandbox process ---- */

enum sandbox_control_kind {
    SANDBOX_CONNECT = 1, /* with the connection as its only descriptor */
    SANDBOX_END,         /* as soon as no run is open */
};

struct sandbox_control {
    uint32_t proto;
    uint32_t kind; /* enum sandbox_control_kind */
};
