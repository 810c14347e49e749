#include "check.h"
#include "handoff.h"
#include <fcntl.h>
#include <unistd.h>

static struct handoff *take(const char *text)
{
    setenv("FIXXIT_HANDOFF", text, 1);
    struct handoff *handoff = handoff_take();
    CHECK(!getenv("FIXXIT_HANDOFF")); /* the configuration would not know the name */
    return handoff;
}

static void finds_nothing_where_nothing_was_left(void)
{
    unsetenv("FIXXIT_HANDOFF");
    CHECK(!handoff_take());
    CHECK(!take(""));
    CHECK(!take("3 4 5"));
    CHECK(!take("a b c d e"));
    handoff_free(NULL);
}

static void takes_sockets_and_children(void)
{
    struct handoff *handoff =
        take("17 903 904 905 -1 0:1:4711:906 1:2:4712:-1 2:1:4713:-1");
    CHECK(handoff && handoff->generation == 17 && handoff->control == 903 &&
          handoff->image_listener == 904);
    CHECK(handoff->listeners[0] == 905 && handoff->listeners[1] == -1);
    CHECK(handoff->count == 3);
    const struct child *child = &handoff->children[0];
    CHECK(child->kind == CHILD_HTTP && child->index == 1 && child->pid == 4711);
    CHECK(child->channel == 906 && child->up && child->old && !child->kill_ms);
    CHECK(handoff->children[1].kind == CHILD_JOB && handoff->children[1].index == 2);
    CHECK(handoff->children[2].kind == CHILD_IMAGE);
    for (int i = 0; i < HANDOFF_SHARED; i++) /* from a binary that kept none */
        CHECK(handoff->shared[i] == -1);
    handoff_free(handoff);
}

static void takes_shared_memory(void)
{
    struct handoff *handoff = take("17 903 904 -1 -1 0:1:4711:906 shared 907 908 909");
    CHECK(handoff && handoff->count == 1);
    CHECK(handoff->shared[HANDOFF_METRICS] == 907 &&
          handoff->shared[HANDOFF_LIMITS] == 908 &&
          handoff->shared[HANDOFF_COUNTERS] == 909);
    handoff_free(handoff);
    handoff = take("17 903 904 -1 -1 shared 907");
    CHECK(handoff && handoff->count == 0 && handoff->shared[HANDOFF_METRICS] == 907);
    CHECK(handoff->shared[HANDOFF_LIMITS] == -1);
    handoff_free(handoff);
}

static void takes_what_scripts_need(void)
{
    struct handoff *handoff =
        take("17 903 904 -1 -1 0:1:4711:906 shared 907 908 909 sandbox 910 3:1:4712:-1");
    CHECK(handoff && handoff->count == 2 && handoff->sandbox_listener == 910);
    CHECK(handoff->shared[HANDOFF_COUNTERS] == 909);
    CHECK(handoff->children[1].kind == CHILD_ZYGOTE && handoff->children[1].pid == 4712);
    handoff_free(handoff);
    handoff = take("17 903 904 -1 -1 0:1:4711:906 shared 907 908 909");
    CHECK(handoff && handoff->count == 1 && handoff->sandbox_listener == -1);
    handoff_free(handoff);
}

static void passes_over_children_that_cannot_be(void)
{
    struct handoff *handoff =
        take("17 903 904 -1 -1 0:1:4711:906 7:1:4712:907 0:2:4713:908");
    CHECK(handoff && handoff->count == 1 && handoff->listeners[0] == -1);
    handoff_free(handoff);
    handoff = take("17 903 904 -1 -1 0:1:-1:906");
    CHECK(handoff && handoff->count == 0);
    handoff_free(handoff);
}

static void leaves_all_as_it_was_when_the_binary_cannot_run(void)
{
    struct err err;
    char name[] = "test", command[] = "serve";
    char *argv[] = {name, command, NULL};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct child child = {.kind = CHILD_HTTP, .index = 1, .pid = 4711, .channel = -1};
    struct handoff handoff = {.control = fd,
                              .image_listener = -1,
                              .sandbox_listener = -1,
                              .listeners = {-1, -1, -1},
                              .children = &child,
                              .count = 1,
                              .shared = {-1, -1, -1}};
    CHECK(handoff_exec(&handoff, "/nonexistent/binary", argv, &err) == -1);
    CHECK_STR(err.code, ERR_NOT_FOUND);
    CHECK(!getenv("FIXXIT_HANDOFF"));
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    close(fd);
}

int main(void)
{
    RUN(finds_nothing_where_nothing_was_left);
    RUN(takes_sockets_and_children);
    RUN(takes_shared_memory);
    RUN(takes_what_scripts_need);
    RUN(passes_over_children_that_cannot_be);
    RUN(leaves_all_as_it_was_when_the_binary_cannot_run);
    return check_result("handoff");
}
