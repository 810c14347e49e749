#include "check.h"
#include "heartbeat.h"
#include <sys/wait.h>
#include <unistd.h>

static void is_seen_from_another_process(void)
{
    struct heartbeat *heart = heartbeat_new(3);
    char doing[HEARTBEAT_DOING_MAX];
    heartbeat_last(heart, 2, doing);
    CHECK_STR(doing, "");
    if (fork() == 0) {
        heartbeat_doing(heart, 2, "GET", "/somewhere");
        heartbeat_beat(heart, 2);
        heartbeat_beat(heart, 2);
        _exit(0);
    }
    wait(NULL);
    CHECK(heartbeat_count(heart, 2) == 2);
    CHECK(heartbeat_count(heart, 1) == 0);
    heartbeat_last(heart, 2, doing);
    CHECK_STR(doing, "GET /somewhere");
    heartbeat_free(heart);
}

static void cuts_what_does_not_fit(void)
{
    struct heartbeat *heart = heartbeat_new(1);
    char doing[HEARTBEAT_DOING_MAX], path[1000];
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    heartbeat_doing(heart, 0, "OPTIONS", path);
    heartbeat_last(heart, 0, doing);
    CHECK(strlen(doing) == HEARTBEAT_DOING_MAX - 1 &&
          strncmp(doing, "OPTIONS xx", 10) == 0);
    heartbeat_doing(heart, 0, "GET", "/");
    heartbeat_last(heart, 0, doing);
    CHECK_STR(doing, "GET /");
    heartbeat_free(heart);
}

int main(void)
{
    RUN(is_seen_from_another_process);
    RUN(cuts_what_does_not_fit);
    return check_result("heartbeat");
}
