/* Log lines: their shape, their order, and that a slow reader costs lines, never time. */
#include "check.h"
#include "log.h"
#include <fcntl.h>
#include <unistd.h>

static int real_stderr;
static int lines;

static void capture(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    lines = ends[0];
}

/* What was written; ends the capture. */
static const char *captured(void)
{
    static char text[4 * 1024 * 1024];
    size_t len = 0;
    ssize_t got;
    dup2(real_stderr, STDERR_FILENO); /* the pipe's last writer goes */
    close(real_stderr);
    while ((got = read(lines, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)got;
    close(lines);
    text[len] = '\0';
    return text;
}

static void writes_one_json_object_a_line(void)
{
    log_init(LOG_INFO, true, "http 1");
    capture();
    log_debug("not this one");
    log_line(LOG_WARN, "a \"b\"\n", 6, "\"n\":1", 5);
    const char *text = captured();
    CHECK(strncmp(text, "{\"timestamp\":\"20", 16) == 0);
    CHECK(strstr(text, "Z\",\"level\":\"warn\",\"process\":\"http 1\","
                       "\"message\":\"a \\\"b\\\"\\n\",\"n\":1}\n"));
    CHECK(!strstr(text, "not this one"));
}

static void keeps_the_order_in_its_thread(void)
{
    log_init(LOG_INFO, false, "x");
    capture();
    log_start();
    for (int i = 0; i < 500; i++)
        log_info("line %d", i);
    log_stop();
    const char *at = captured();
    for (int i = 0; i < 500 && at; i++) {
        char wanted[32];
        snprintf(wanted, sizeof(wanted), "x: line %d\n", i);
        at = strstr(at, wanted);
        CHECK(at != NULL);
    }
}

/* Nobody reads the pipe (64 KiB) while 3 MiB are logged: the callers go on all the same. */
static void drops_lines_rather_than_wait(void)
{
    static char long_line[1000];
    memset(long_line, 'x', sizeof(long_line) - 1);
    log_init(LOG_INFO, true, "x");
    capture();
    log_start();
    for (int i = 0; i < 3000; i++)
        log_info("%s", long_line);
    int reading = dup(lines);
    if (fork() == 0) { /* now somebody reads, so that log_stop can end */
        char sink[65536];
        dup2(real_stderr, STDERR_FILENO);
        while (read(reading, sink, sizeof(sink)) > 0)
            ;
        _exit(0);
    }
    close(reading);
    usleep(50000);
    log_info("afterwards");
    log_stop();
    captured();
}

static void knows_its_levels(void)
{
    CHECK(log_level_parse("debug") == LOG_DEBUG && log_level_parse("error") == LOG_ERROR);
    CHECK(log_level_parse("loud") == -1);
    log_init(LOG_WARN, false, "x");
    CHECK(!log_enabled(LOG_INFO) && log_enabled(LOG_WARN));
    log_stop();
    log_stop(); /* idempotent */
}

int main(void)
{
    RUN(writes_one_json_object_a_line);
    RUN(keeps_the_order_in_its_thread);
    RUN(drops_lines_rather_than_wait);
    RUN(knows_its_levels);
    return check_result("log");
}
