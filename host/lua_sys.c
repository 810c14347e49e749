/* Lua: host.sys - facts about this process and this machine.
 *
 *   sys.iso(ms) -> "2026-11-20T09:12:44.120Z"    of the years 1970 to 9999
 *   sys.datetime(ms | text) -> "2026-11-20 09:12:44.120"     of ms that sys.iso takes, or of text
 *                                                as it writes it; nil of anything else
 *   sys.time_ms() -> ms since 1970, UTC          sys.monotonic_ms() -> ms, never steps back
 *   sys.env(name) -> text | nil                  sys.environ() -> {NAME = text}
 *   sys.argv() -> {text...}                      the command's arguments, [0] the program
 *   sys.role() -> "http" | "job" | "cli", index  sys.generation() -> n
 *   sys.root() -> folder of lua/, plugins/       sys.pid() -> n
 *   sys.user_id() -> number, 0 for root
 *   sys.hostname() -> text                       sys.executable() -> absolute path
 *   sys.memory() -> bytes of this Lua heap       sys.cwd() -> the working folder
 *   sys.print(text), sys.print_error(text)       to standard output / error, unbuffered
 *   sys.shared_get(key) -> number                process-wide numbers that outlive a reload;
 *   sys.shared_set(key, number)                  0 when never set
 *   sys.on_signal() -> "SIGTERM" | "SIGINT" | nil, err      (waits) commands only
 */
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int l_time_ms(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L,
                   (lua_Number)now.tv_sec * 1000 + (lua_Number)(now.tv_nsec / 1000000));
    return 1;
}

/* The second's text is kept: most that is told happens now. */
static char *put_digits(char *out, unsigned value, unsigned digits, char after)
{
    for (unsigned i = digits; i--; value /= 10)
        out[i] = (char)('0' + value % 10);
    out[digits] = after;
    return out + digits + 1;
}

enum { TIME_TEXT = 24 };
#define TIME_END 253402300800000.0 /* behind the year 9999 */

/* "2026-11-20T09:12:44.120Z" of ms since 1970 below TIME_END. The date is reckoned in years that
 * begin in March, so that the leap day is the last of one (Hinnant, "chrono-compatible low-level
 * date algorithms"). */
static void put_time(char *out, uint64_t ms)
{
    enum { DAYS_BEFORE = 719468, /* 0000-03-01 to 1970-01-01 */ ERA = 146097 };
    unsigned days = (unsigned)(ms / 86400000) + DAYS_BEFORE;
    unsigned rest = (unsigned)(ms % 86400000), seconds = rest / 1000;
    unsigned of_era = days % ERA;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned day = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    year += days / ERA * 400 + (month >= 10);
    out = put_digits(out, year, 4, '-');
    out = put_digits(out, month < 10 ? month + 3 : month - 9, 2, '-');
    out = put_digits(out, day + 1, 2, 'T');
    out = put_digits(out, seconds / 3600, 2, ':');
    out = put_digits(out, seconds / 60 % 60, 2, ':');
    out = put_digits(out, seconds % 60, 2, '.');
    put_digits(out, rest % 1000, 3, 'Z');
}

static int l_iso(lua_State *L)
{
    char text[TIME_TEXT];
    lua_Number ms = luaL_checknumber(L, 1);
    luaL_argcheck(L, ms >= 0 && ms < TIME_END, 1, "the years 1970 to 9999");
    put_time(text, (uint64_t)ms);
    lua_pushlstring(L, text, sizeof(text));
    return 1;
}

/* Whether it looks like one of put_time's. */
static bool is_time(const char *text, size_t len)
{
    static const char highest[TIME_TEXT + 1] = "9999-19-39T29:59:59.999Z";
    if (len != TIME_TEXT)
        return false;
    for (size_t i = 0; i < TIME_TEXT; i++)
        if (highest[i] <= '9' && highest[i] >= '1' ? text[i] < '0' || text[i] > highest[i]
                                                   : text[i] != highest[i])
            return false;
    return true;
}

static int l_datetime(lua_State *L)
{
    char out[TIME_TEXT];
    size_t len = 0;
    if (lua_type(L, 1) == LUA_TNUMBER) {
        lua_Number ms = lua_tonumber(L, 1);
        if (!(ms >= 0 && ms < TIME_END))
            return 0;
        put_time(out, (uint64_t)ms);
    } else {
        const char *text = luaL_checklstring(L, 1, &len);
        if (!is_time(text, len))
            return 0;
        memcpy(out, text, sizeof(out));
    }
    out[10] = ' ';
    lua_pushlstring(L, out, sizeof(out) - 1);
    return 1;
}

static int l_monotonic_ms(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)uv_hrtime() / 1e6);
    return 1;
}

static int l_env(lua_State *L)
{
    lua_pushstring(L, getenv(luaL_checkstring(L, 1))); /* NULL pushes nil */
    return 1;
}

static int l_environ(lua_State *L)
{
    lua_newtable(L);
    for (char **entry = environ; *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (!equals)
            continue;
        lua_pushlstring(L, *entry, (size_t)(equals - *entry));
        lua_pushstring(L, equals + 1);
        lua_rawset(L, -3);
    }
    return 1;
}

static int l_argv(lua_State *L)
{
    struct host *host = vm_host(L);
    lua_newtable(L);
    for (int i = 0; i < host->argc; i++) {
        lua_pushstring(L, host->argv[i]);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

static int l_role(lua_State *L)
{
    lua_pushstring(L, vm_host(L)->role);
    lua_pushinteger(L, vm_host(L)->index);
    return 2;
}

static int l_generation(lua_State *L)
{
    lua_pushnumber(L, vm_from(L)->generation);
    return 1;
}

static int l_root(lua_State *L)
{
    lua_pushstring(L, vm_from(L)->root);
    return 1;
}

static int l_pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

static int l_user_id(lua_State *L)
{
    lua_pushinteger(L, getuid());
    return 1;
}

static int l_hostname(lua_State *L)
{
    char name[256] = "";
    gethostname(name, sizeof(name) - 1);
    lua_pushstring(L, name);
    return 1;
}

static int l_executable(lua_State *L)
{
    char path[4096];
    size_t size = sizeof(path);
    int rc = uv_exepath(path, &size);
    if (rc < 0)
        return luaL_error(L, "executable: %s", uv_strerror(rc));
    lua_pushlstring(L, path, size);
    return 1;
}

static int l_cwd(lua_State *L)
{
    char path[4096];
    size_t size = sizeof(path);
    int rc = uv_cwd(path, &size);
    if (rc < 0)
        return luaL_error(L, "working folder: %s", uv_strerror(rc));
    lua_pushlstring(L, path, size);
    return 1;
}

static int l_memory(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)vm_memory(vm_from(L)));
    return 1;
}

static int print_to(lua_State *L, int fd)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    while (len) {
        ssize_t done = write(fd, text, len);
        if (done <= 0)
            break;
        text += done;
        len -= (size_t)done;
    }
    return 0;
}

static int l_print(lua_State *L)
{
    return print_to(L, STDOUT_FILENO);
}

static int l_print_error(lua_State *L)
{
    return print_to(L, STDERR_FILENO);
}

/* A handful of named numbers (an event cursor): a list is enough. Lives with the process. */
struct shared {
    struct shared *next;
    lua_Number value;
    char key[];
};
static struct shared *shared_numbers;

static struct shared *shared_find(const char *key)
{
    struct shared *entry = shared_numbers;
    while (entry && strcmp(entry->key, key) != 0)
        entry = entry->next;
    return entry;
}

static int l_shared_get(lua_State *L)
{
    struct shared *entry = shared_find(luaL_checkstring(L, 1));
    lua_pushnumber(L, entry ? entry->value : 0);
    return 1;
}

static int l_shared_set(lua_State *L)
{
    const char *key = luaL_checkstring(L, 1);
    lua_Number value = luaL_checknumber(L, 2);
    struct shared *entry = shared_find(key);
    if (!entry) {
        size_t len = strlen(key) + 1;
        entry = mem_new(sizeof(*entry) + len);
        memcpy(entry->key, key, len);
        entry->next = shared_numbers;
        shared_numbers = entry;
    }
    entry->value = value;
    return 0;
}

struct signal_wait {
    uv_signal_t term, interrupt;
    struct task *task; /* NULL once cancelled or woken */
    int handles;       /* not closed yet */
    int number;
};

static void on_signal_closed(uv_handle_t *handle)
{
    struct signal_wait *wait = handle->data;
    if (--wait->handles == 0)
        free(wait);
}

static void signal_close(void *op)
{
    struct signal_wait *wait = op;
    wait->task = NULL;
    uv_close((uv_handle_t *)&wait->term, on_signal_closed);
    uv_close((uv_handle_t *)&wait->interrupt, on_signal_closed);
}

static int push_signal(lua_State *L, void *op)
{
    const struct signal_wait *wait = op;
    lua_pushstring(L, wait->number == SIGTERM ? "SIGTERM" : "SIGINT");
    return 1;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct signal_wait *wait = handle->data;
    if (!wait->task)
        return;
    struct task *task = wait->task;
    wait->number = number;
    wait->task = NULL;
    task_wake(task, push_signal, wait);
    signal_close(wait);
}

static int l_on_signal(lua_State *L)
{
    uv_loop_t *loop = vm_host(L)->loop;
    struct task *task = task_current(L);
    struct signal_wait *wait = mem_new(sizeof(*wait));
    wait->task = task;
    wait->handles = 2;
    wait->term.data = wait->interrupt.data = wait;
    uv_signal_init(loop, &wait->term);
    uv_signal_init(loop, &wait->interrupt);
    uv_signal_start(&wait->term, on_signal, SIGTERM);
    uv_signal_start(&wait->interrupt, on_signal, SIGINT);
    return task_wait(L, signal_close, wait);
}

static const luaL_Reg functions[] = {
    {"iso", l_iso},
    {"datetime", l_datetime},
    {"time_ms", l_time_ms},
    {"monotonic_ms", l_monotonic_ms},
    {"env", l_env},
    {"environ", l_environ},
    {"argv", l_argv},
    {"role", l_role},
    {"generation", l_generation},
    {"root", l_root},
    {"pid", l_pid},
    {"user_id", l_user_id},
    {"hostname", l_hostname},
    {"executable", l_executable},
    {"memory", l_memory},
    {"cwd", l_cwd},
    {"print", l_print},
    {"print_error", l_print_error},
    {"shared_get", l_shared_get},
    {"shared_set", l_shared_set},
    {"on_signal", l_on_signal},
    {NULL, NULL},
};

int luaopen_host_sys(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
