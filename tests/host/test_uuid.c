#include "check.h"
#include "uuid.h"
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void has_the_layout_of_version_7(void)
{
    char text[UUID_TEXT + 1];
    for (int i = 0; i < 1000; i++) {
        uuid_v7(text);
        CHECK(strlen(text) == UUID_TEXT);
        CHECK(uuid_is(text, UUID_TEXT));
        CHECK(text[14] == '7');
        CHECK(strchr("89ab", text[19]) != NULL);
    }
}

static void carries_the_time(void)
{
    char text[UUID_TEXT + 1];
    int64_t ms, now = (int64_t)time(NULL) * 1000;
    uuid_v7(text);
    CHECK(uuid_time_ms(text, UUID_TEXT, &ms));
    CHECK(ms >= now - 2000 && ms <= now + 5000);
}

/* The example of RFC 9562, appendix A.6. */
static void reads_the_time_of_the_published_example(void)
{
    int64_t ms = 0;
    CHECK(uuid_time_ms("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", 36, &ms));
    CHECK(ms == 1645557742000);
    CHECK(!uuid_time_ms("919108f7-52d1-4320-9bac-f847db4148a8", 36, &ms)); /* version 4 */
}

static void writes_one_without_dashes(void)
{
    char text[UUID_HEX + 1];
    uuid_hex(text);
    CHECK(strlen(text) == UUID_HEX && strspn(text, "0123456789abcdef") == UUID_HEX);
    CHECK(text[12] == '7' && strchr("89ab", text[16]));
}

/* Many more than the counter holds in a ms. */
static void sorts_in_the_order_of_making(void)
{
    char before[UUID_TEXT + 1], after[UUID_TEXT + 1];
    int out_of_order = 0;
    uuid_v7(before);
    for (int i = 0; i < 100000; i++) {
        uuid_v7(after);
        out_of_order += strcmp(before, after) >= 0;
        memcpy(before, after, sizeof(before));
    }
    CHECK(out_of_order == 0);
}

static void tells_uuids_from_other_text(void)
{
    CHECK(uuid_is("00000000-0000-0000-0000-000000000000", 36));
    CHECK(uuid_is("FFFFFFFF-ffff-FFFF-ffff-FFFFFFFFFFFF", 36));
    CHECK(!uuid_is("", 0));
    CHECK(!uuid_is("017F22E2-79B0-7CC3-98C4-DC0C0C07398", 35));
    CHECK(!uuid_is("017F22E2-79B0-7CC3-98C4-DC0C0C07398F0", 37));
    CHECK(!uuid_is("017F22E279B07CC398C4DC0C0C07398F0000", 36));
    CHECK(!uuid_is("017F22E2-79B0-7CC3-98C4-DC0C0C07398G", 36));
    CHECK(!uuid_is("017F22E2079B0-7CC3-98C4-DC0C0C07398F", 36));
    CHECK(!uuid_is("{17F22E2-79B0-7CC3-98C4-DC0C0C07398}", 36));
}

/* Random bytes are fetched for many at a time: what the parent fetched is not the child's. */
static void shares_no_random_bytes_with_a_child(void)
{
    char own[UUID_TEXT + 1], theirs[UUID_TEXT + 1];
    int pipes[2];
    uuid_v7(own);
    CHECK(pipe(pipes) == 0);
    pid_t child = fork();
    if (child == 0) {
        uuid_v7(own);
        _exit(write(pipes[1], own, sizeof(own)) == sizeof(own) ? 0 : 1);
    }
    uuid_v7(own);
    CHECK(read(pipes[0], theirs, sizeof(theirs)) == sizeof(theirs));
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(strcmp(own + 19, theirs + 19) != 0);
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    RUN(has_the_layout_of_version_7);
    RUN(carries_the_time);
    RUN(writes_one_without_dashes);
    RUN(reads_the_time_of_the_published_example);
    RUN(sorts_in_the_order_of_making);
    RUN(tells_uuids_from_other_text);
    RUN(shares_no_random_bytes_with_a_child);
    return check_result("uuid");
}
