/* The scripts in tests/sandbox: what bad ones do, and what they get. Each says at its top:
 *
 *   -- outcome: LIMIT_CPU        the code, several with | between them, or ok
 *   -- says: limit: cpu 10 ms    a part of the message
 *   -- line: 7                   where
 *   -- cpu: 100                  milliseconds it may use; else 10 for LIMIT_CPU,
 *                               and enough for the others
 *
 * Each is run twice in its state, which must stay good, and gives all its memory back: with the
 * tests' prelude, and with the product's, whose messages are its own. With $SANDBOX_VERBOSE every
 * script's CPU is told. */
#include "sandbox_test.h"
#include <dirent.h>
#include <time.h>

struct expected {
    char outcome[64], says[128];
    int line, cpu_ms;
};

static double worst_ms;
static bool product; /* whose prelude it is */

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static void take_field(const char *text, const char *name, char *out, size_t size)
{
    const char *found = strstr(text, name);
    *out = '\0';
    if (!found)
        return;
    found += strlen(name);
    snprintf(out, size, "%.*s", (int)strcspn(found, "\n"), found);
}

static struct expected read_expected(const char *text)
{
    struct expected expected = {.cpu_ms = 10};
    char number[16];
    take_field(text, "-- outcome: ", expected.outcome, sizeof(expected.outcome));
    take_field(text, "-- says: ", expected.says, sizeof(expected.says));
    take_field(text, "-- line: ", number, sizeof(number));
    expected.line = atoi(number);
    take_field(text, "-- cpu: ", number, sizeof(number));
    if (*number)
        expected.cpu_ms = atoi(number);
    else if (!strstr(expected.outcome, "LIMIT_CPU"))
        expected.cpu_ms = patiently(500);
    if (!*expected.outcome) /* bytecode has no room for words */
        snprintf(expected.outcome, sizeof(expected.outcome), "SCRIPT_ERROR");
    return expected;
}

static bool is_one_of(const char *code, size_t len, const char *codes)
{
    for (const char *at = codes; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, code, len) == 0 && (at[len] == '\0' || at[len] == '|'))
            return true;
    return false;
}

static void complain(const char *path, const char *text)
{
    check_failures++;
    fprintf(stderr, "%s: got %.400s\n", path, text);
}

/* `text` is a problem, or the result of a run. */
static void compare(const char *path, const struct expected *expected, const char *text)
{
    static const char start[] = "{\"code\":\"";
    const char *problem = strstr(text, start);
    char line[32];
    if (strcmp(expected->outcome, "ok") == 0) {
        if (strncmp(text, "{\"value\":", 9) != 0)
            complain(path, text);
        return;
    }
    if (!problem) {
        complain(path, text);
        return;
    }
    const char *code = problem + sizeof(start) - 1;
    snprintf(line, sizeof(line), "\"line\":%d,", expected->line);
    if (!is_one_of(code, strcspn(code, "\""), expected->outcome) ||
        (!product && !strstr(text, expected->says)) ||
        (expected->line && !strstr(text, line)))
        complain(path, text);
}

/* The chunks that lua/services/scripts/parts.lua lists, behind the catalogue, which is made by the
 * worker. */
static struct sandbox_vm *start_product(void)
{
    static const char catalogue[] =
        "local sandbox = ...\n"
        "sandbox.catalogue = {events = {'report.created'}, actions = {'report.create'},\n"
        "  capabilities = {{name = 'capability', parameters = {'name', 'arguments'}}}}";
    struct sandbox_vm *vm = sandbox_vm_new(&sandbox_memory);
    struct buf parts = sandbox_read_file("lua/services/scripts/parts.lua");
    const char *list = strstr(buf_cstr(&parts), "M.PRELUDE = {");
    const char *end = strchr(list, '}');
    buf_clear(&sandbox_problem);
    int rc = sandbox_vm_load(vm, "catalogue", catalogue, strlen(catalogue), true,
                             &sandbox_problem);
    for (const char *at = strchr(list, '"'); rc == 0 && at && at < end;
         at = strchr(at + 1, '"')) {
        char path[256];
        size_t len = strcspn(++at, "\"");
        snprintf(path, sizeof(path), "lua/services/scripts/prelude/%.*s.lua", (int)len,
                 at);
        struct buf chunk = sandbox_read_file(path);
        rc = sandbox_vm_load(vm, path, chunk.data, chunk.len, true, &sandbox_problem);
        buf_free(&chunk);
        at += len;
    }
    if (rc < 0)
        complain("the product's prelude", buf_cstr(&sandbox_problem));
    buf_free(&parts);
    return vm;
}

/* The product's hooks return nothing, and `null` and calls have other names there. */
static bool is_for_product(const char *name, const struct buf *code)
{
    return !strstr(name, "/result_") && !strstr(name, "/call_") &&
           !strstr(buf_cstr((struct buf *)code), "null");
}

static void run_twice(const char *path, const char *name, const struct buf *code)
{
    struct expected expected = read_expected(buf_cstr((struct buf *)code));
    struct sandbox_vm *vm = product ? start_product() : sandbox_start();
    sandbox_limits.cpu_us = (int64_t)expected.cpu_ms * 1000;
    double start = cpu_ms();
    bool loaded =
        sandbox_vm_load(vm, name, code->data, code->len, false, &sandbox_problem) == 0;
    if (!loaded)
        compare(path, &expected, buf_cstr(&sandbox_problem));
    double took = cpu_ms() - start, over = took - expected.cpu_ms;
    for (int i = 0; loaded && i < 2; i++) {
        start = cpu_ms();
        compare(
            path, &expected,
            sandbox_result(vm, "{\"hook\":1,\"now\":\"\",\"arguments\":[{\"a\":1}]}"));
        took = cpu_ms() - start;
        over = took - expected.cpu_ms > over ? took - expected.cpu_ms : over;
    }
    if (over > worst_ms)
        worst_ms = over;
    if (getenv("SANDBOX_VERBOSE"))
        printf("%8.2f ms of %4d  %s\n", over + expected.cpu_ms, expected.cpu_ms, path);
    sandbox_vm_free(vm);
    check_cases++;
    if (sandbox_memory.used != 0)
        complain(path, "memory that was not given back");
    sandbox_memory = (struct sandbox_memory){.max = sandbox_memory.max};
}

int main(void)
{
    struct dirent **entries;
    int count = scandir("tests/sandbox", &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[512], name[512];
        snprintf(path, sizeof(path), "tests/sandbox/%s", entries[i]->d_name);
        snprintf(name, sizeof(name), "rules/%s", entries[i]->d_name);
        free(entries[i]);
        if (!strstr(path, ".lua"))
            continue;
        struct buf code = sandbox_read_file(path);
        product = false;
        run_twice(path, name, &code);
        product = true;
        if (is_for_product(name, &code))
            run_twice(path, name, &code);
        buf_free(&code);
    }
    free(entries);
    CHECK(check_cases > 300);
    /* Endless is what this tells from slow: CPU, of which sanitizers take more. */
    CHECK(worst_ms < patiently(250));
    printf("worst: %.1f ms over the limit\n", worst_ms);
    sandbox_test_end();
    return check_result("sandbox_corpus");
}
