/* The variable: "generation control image listener listener kind:index:pid:channel kind:... shared
 * metrics limits counters sandbox listener kind:..." in decimal; a place without a descriptor is -1.
 * What an older binary does not know stands at the end, children of kinds that it does not know
 * too. */
#include "handoff.h"
#include "buf.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE "FIXXIT_HANDOFF"

enum { TRY_S = 10, CHILDREN_MAX = 1024 };

static void set_inherited(int fd, bool inherited)
{
    if (fd >= 0)
        fcntl(fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

static void set_all_inherited(const struct handoff *handoff, bool inherited)
{
    set_inherited(handoff->control, inherited);
    set_inherited(handoff->image_listener, inherited);
    set_inherited(handoff->sandbox_listener, inherited);
    for (const int *fd = handoff->listeners; *fd >= 0; fd++)
        set_inherited(*fd, inherited);
    for (int i = 0; i < handoff->count; i++)
        set_inherited(handoff->children[i].channel, inherited);
    for (int i = 0; i < HANDOFF_SHARED; i++)
        set_inherited(handoff->shared[i], inherited);
}

static void write_children(const struct handoff *handoff, enum child_kind first,
                           enum child_kind last, struct buf *out)
{
    for (int i = 0; i < handoff->count; i++) {
        const struct child *child = &handoff->children[i];
        if (child->kind >= first && child->kind <= last)
            buf_printf(out, " %d:%d:%d:%d", (int)child->kind, child->index,
                       (int)child->pid, child->channel);
    }
}

static void write_text(const struct handoff *handoff, struct buf *out)
{
    buf_printf(out, "%u %d %d", handoff->generation, handoff->control,
               handoff->image_listener);
    for (int i = 0; i < HANDOFF_LISTENERS_MAX; i++)
        buf_printf(out, " %d",
                   i && handoff->listeners[i - 1] < 0 ? -1 : handoff->listeners[i]);
    write_children(handoff, CHILD_HTTP, CHILD_IMAGE, out);
    buf_printf(out, " shared %d %d %d", handoff->shared[HANDOFF_METRICS],
               handoff->shared[HANDOFF_LIMITS], handoff->shared[HANDOFF_COUNTERS]);
    buf_printf(out, " sandbox %d", handoff->sandbox_listener);
    write_children(handoff, CHILD_ZYGOTE, CHILD_ZYGOTE, out);
}

static bool read_child(const char *text, struct child *child, int *used)
{
    int kind, index, pid, channel;
    if (sscanf(text, " %d:%d:%d:%d%n", &kind, &index, &pid, &channel, used) != 4 ||
        kind < CHILD_HTTP || kind > CHILD_ZYGOTE || index < 1 || pid < 1)
        return false;
    *child = (struct child){.kind = (enum child_kind)kind,
                            .index = index,
                            .pid = pid,
                            .channel = channel,
                            .up = true,
                            .was_up = true,
                            .old = true,
                            .started_ms = clock_ms()};
    return true;
}

/* Returns what is behind them. */
static const char *read_children(const char *text, struct handoff *handoff)
{
    int used;
    while (handoff->count < CHILDREN_MAX &&
           read_child(text, &handoff->children[handoff->count], &used)) {
        handoff->count++;
        text += used;
    }
    return text;
}

/* What an older binary did not leave stays -1. */
static void read_rest(const char *text, struct handoff *handoff)
{
    int *shared = handoff->shared, used = 0;
    for (int i = 0; i < HANDOFF_SHARED; i++)
        shared[i] = -1;
    handoff->sandbox_listener = -1;
    if (sscanf(text, " shared %d %d %d%n", &shared[HANDOFF_METRICS],
               &shared[HANDOFF_LIMITS], &shared[HANDOFF_COUNTERS], &used) == 3 &&
        sscanf(text += used, " sandbox %d%n", &handoff->sandbox_listener, &used) == 1)
        read_children(text + used, handoff);
}

struct handoff *handoff_take(void)
{
    const char *text = getenv(VARIABLE);
    if (!text)
        return NULL;
    struct handoff *handoff = mem_new(sizeof(*handoff));
    int *listeners = handoff->listeners, used = 0;
    listeners[HANDOFF_LISTENERS_MAX] = -1;
    if (sscanf(text, "%u %d %d %d %d%n", &handoff->generation, &handoff->control,
               &handoff->image_listener, &listeners[0], &listeners[1], &used) == 5) {
        handoff->children = mem_new(CHILDREN_MAX * sizeof(*handoff->children));
        read_rest(read_children(text + used, handoff), handoff);
        set_all_inherited(handoff, false);
    } else {
        free(handoff);
        handoff = NULL;
    }
    unsetenv(VARIABLE);
    return handoff;
}

void handoff_free(struct handoff *handoff)
{
    if (!handoff)
        return;
    free(handoff->children);
    free(handoff);
}

pid_t handoff_try(const char *binary, char **argv)
{
    static char command[] = "version";
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    alarm(TRY_S);
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nothing, STDOUT_FILENO);
    argv[1] = command;
    execv(binary, argv);
    _exit(127);
}

int handoff_exec(const struct handoff *handoff, const char *binary, char **argv,
                 struct err *err)
{
    struct buf text = {0};
    write_text(handoff, &text);
    setenv(VARIABLE, buf_cstr(&text), 1);
    buf_free(&text);
    set_all_inherited(handoff, true);
    execv(binary, argv);
    int number = errno;
    set_all_inherited(handoff, false);
    unsetenv(VARIABLE);
    return err_errno(err, number, binary);
}
