/* Lua: host.task
 *
 *   task.spawn(fn, ...)              run fn(...) as a task of its own until its first wait;
 *                                    an error in it goes to the log
 *   task.cancel(thread) -> boolean   fails the waits of the task that runs in this coroutine (what
 *                                    coroutine.running() gave it), now and later; false when it
 *                                    has ended. Not oneself. Only while the task is known to run:
 *                                    ended ones leave their coroutine to others
 *   task.sleep(ms) -> true | nil, err                                            (waits)
 *   task.deadline(ms)                the running task's waits fail after ms from now; 0: never
 *   task.signal() -> signal          something to wait for
 *   signal:wait(ms) -> true | nil, err   until notified; err.code TIMEOUT after ms  (waits)
 *   signal:notify()                  wakes all that wait now, on the loop's next turn
 *
 * Invariants: `running` is the task whose coroutine executes now. A task waits exactly while
 * `waiting` is set; whoever clears it has it go on, maybe some turns of the loop later (turn.h):
 * until then nothing reaches it. Deadlines are looked at by one timer for the whole process instead
 * of one per task: a request costs no timer call. */
#include "lua_task.h"
#include "log.h"
#include "lua_bindings.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include "turn.h"
#include <stdlib.h>
#include <string.h>

#define SIGNAL_TYPE "host.task.signal"

enum {
    TICK_MS = 50,
    REFUSALS_MAX = 100, /* a loop that ignores CANCELLED must not hold the process */
};

struct task {
    struct turn_job job; /* while it is about to go on */
    int nargs;           /* with so many values off its stack */
    struct vm *vm;
    lua_State *L;
    int ref;                   /* anchors L in the registry */
    struct task *next, **link; /* in vm->tasks, or in vm->spare by next */
    bool waiting;
    bool yielding; /* task_wait was called, lua_resume has not returned yet */
    bool cancelled;
    bool expired;      /* the deadline passed */
    unsigned refused;  /* waits refused since then */
    uint64_t deadline; /* loop time in ms, 0 for none */
    task_cancel_cb cancel;
    void *op;
    struct task_defer *defers;
    task_end_cb end;
    void *end_arg;
};

static struct task *running;

static struct {
    uv_timer_t timer;
    bool ready;
    size_t deadlines; /* tasks that have one */
    struct host *host;
} ticker;

/* The vms that have tasks with deadlines are few (at most three generations); the tick walks
 * the tasks of each. Kept here because retired vms are known to nobody else. */
enum { VMS_MAX = 16 };
static struct vm *vms[VMS_MAX];

static void task_finish(struct task *task, int status, int nresults);

static void unlink_task(struct task *task)
{
    *task->link = task->next;
    if (task->next)
        task->next->link = task->link;
}

static void resume(struct task *task, int nargs)
{
    struct task *outer = running;
    running = task;
    int status = lua_resume(task->L, nargs);
    running = outer;
    if (status == LUA_YIELD) {
        if (task->yielding) {
            task->yielding = false;
            task->waiting = true;
            vm_collect(task->vm);
            return;
        }
        lua_settop(task->L, 0);
        lua_pushliteral(task->L,
                        "coroutine.yield outside a coroutine of the application");
        status = LUA_ERRRUN;
    }
    task_finish(task, status, lua_gettop(task->L));
}

static void on_turn(struct turn_job *job)
{
    struct task *task = (struct task *)job; /* its first member */
    resume(task, task->nargs);
}

/* Inside another task at once, from the loop when there is time. */
static void go_on(struct task *task, int nargs)
{
    task->nargs = nargs;
    if (running)
        resume(task, nargs);
    else
        turn_run(task->vm->host->loop, &task->job);
}

/* Pushes nil, err: why the task waits no more. */
static int push_over(lua_State *L, const struct task *task)
{
    if (task->cancelled)
        return lua_fail_code(L, ERR_CANCELLED, "the task was cancelled");
    return lua_fail_code(L, ERR_TIMEOUT, "the deadline passed");
}

static void interrupt(struct task *task)
{
    if (!task->waiting)
        return;
    task->waiting = false;
    task->cancel(task->op);
    go_on(task, push_over(task->L, task));
}

static void on_tick(uv_timer_t *timer)
{
    uint64_t now = uv_now(timer->loop);
    for (int i = 0; i < VMS_MAX; i++) {
        /* An interrupt may end any task: start over after each. */
        struct task *task = vms[i] ? vms[i]->tasks : NULL;
        while (task) {
            if (task->deadline && task->deadline <= now && !task->expired) {
                task->expired = true;
                if (task->waiting) {
                    interrupt(task);
                    task = vms[i] ? vms[i]->tasks : NULL;
                    continue;
                }
            }
            task = task->next;
        }
    }
    if (!ticker.deadlines)
        uv_timer_stop(&ticker.timer);
}

static void remember_vm(struct vm *vm)
{
    for (int i = 0; i < VMS_MAX; i++)
        if (vms[i] == vm)
            return;
    for (int i = 0; i < VMS_MAX; i++)
        if (!vms[i]) {
            vms[i] = vm;
            return;
        }
    log_error("more than %d generations alive: deadlines of the newest do not run",
              VMS_MAX);
}

void task_set_deadline(struct task *task, unsigned timeout_ms)
{
    uv_loop_t *loop = task->vm->host->loop;
    if (!ticker.ready) {
        uv_timer_init(loop, &ticker.timer);
        uv_unref((uv_handle_t *)&ticker.timer);
        ticker.ready = true;
    }
    ticker.deadlines -= task->deadline != 0;
    task->deadline = timeout_ms ? uv_now(loop) + timeout_ms : 0;
    task->expired = false;
    task->refused = 0;
    ticker.deadlines += task->deadline != 0;
    if (task->deadline && !uv_is_active((uv_handle_t *)&ticker.timer))
        uv_timer_start(&ticker.timer, on_tick, TICK_MS, TICK_MS);
}

static struct task *task_new(struct vm *vm)
{
    struct task *task = vm->spare;
    if (task) {
        vm->spare = task->next;
    } else {
        task = mem_new(sizeof(*task));
        task->L = lua_newthread(vm->L);
        task->ref = luaL_ref(vm->L, LUA_REGISTRYINDEX);
        task->vm = vm;
        task->job.run = on_turn;
    }
    if (!vm->tasks)
        remember_vm(vm);
    task->next = vm->tasks;
    if (task->next)
        task->next->link = &task->next;
    task->link = &vm->tasks;
    vm->tasks = task;
    return task;
}

static void spawn(struct vm *vm, lua_State *from, int held, int nargs,
                  unsigned timeout_ms, task_end_cb end, void *arg)
{
    struct task *task = task_new(vm);
    lua_xmove(from, task->L, held + 1 + nargs);
    task->end = end;
    task->end_arg = arg;
    if (timeout_ms)
        task_set_deadline(task, timeout_ms);
    go_on(task, nargs);
}

void task_spawn(struct vm *vm, lua_State *from, int nargs, unsigned timeout_ms,
                task_end_cb end, void *arg)
{
    spawn(vm, from, 0, nargs, timeout_ms, end, arg);
}

void task_spawn_holding(struct vm *vm, lua_State *from, int nargs, unsigned timeout_ms,
                        task_end_cb end, void *arg)
{
    spawn(vm, from, 1, nargs, timeout_ms, end, arg);
}

static void run_defers(struct task *task)
{
    while (task->defers) {
        struct task_defer *node = task->defers;
        task_undefer(node);
        node->run(node);
    }
}

/* A coroutine that ended well can be used again; one that ended with an error cannot. */
static void recycle(struct task *task, bool reusable)
{
    struct vm *vm = task->vm;
    unlink_task(task);
    if (reusable) {
        lua_State *L = task->L;
        int ref = task->ref;
        lua_settop(L, 0);
        *task = (struct task){
            .job.run = on_turn, .vm = vm, .L = L, .ref = ref, .next = vm->spare};
        vm->spare = task;
    } else {
        luaL_unref(vm->L, LUA_REGISTRYINDEX, task->ref);
        free(task);
    }
    if (!vm->tasks) {
        for (int i = 0; i < VMS_MAX; i++)
            if (vms[i] == vm)
                vms[i] = NULL;
        vm_idle(vm);
    }
}

static void task_finish(struct task *task, int status, int nresults)
{
    (void)nresults;
    char *problem = NULL;
    if (status != 0) {
        const char *message = lua_tostring(task->L, -1);
        if (!message) {
            lua_getglobal(task->L, "tostring"); /* error objects: their __tostring */
            lua_pushvalue(task->L, -2);
            message = lua_pcall(task->L, 1, 1, 0) == 0 ? lua_tostring(task->L, -1) : NULL;
        }
        luaL_traceback(task->vm->L, task->L, message ? message : "(error object)", 0);
        problem = mem_strdup(lua_tostring(task->vm->L, -1));
        lua_pop(task->vm->L, 1);
    }
    run_defers(task);
    ticker.deadlines -= task->deadline != 0;
    task->deadline = 0;
    if (task->end)
        task->end(task->end_arg, task->L, problem);
    else if (problem)
        log_error("task failed: %s", problem);
    free(problem);
    recycle(task, status == 0);
}

struct vm *task_vm(lua_State *L)
{
    return running && running->L == L ? running->vm : NULL;
}

struct task *task_current(lua_State *L)
{
    if (!running || running->L != L)
        luaL_error(
            L, "this call waits: it must run in a task, not in a coroutine of your own");
    return running;
}

int task_over(lua_State *L)
{
    struct task *task = task_current(L);
    if (!task->cancelled && !task->expired)
        return 0;
    if (++task->refused > REFUSALS_MAX)
        return luaL_error(L, "the task goes on waiting after it was ended");
    return push_over(L, task);
}

int task_wait(lua_State *L, task_cancel_cb cancel, void *op)
{
    struct task *task = task_current(L);
    if (task->cancelled || task->expired) {
        cancel(op);
        return task_over(L);
    }
    task->cancel = cancel;
    task->op = op;
    task->yielding = true;
    return lua_yield(L, 0);
}

void task_wake(struct task *task, task_push_cb push, void *op)
{
    task->waiting = false;
    go_on(task, push(task->L, op));
}

void task_cancel(struct task *task)
{
    task->cancelled = true;
    interrupt(task);
}

void task_cancel_all(struct vm *vm)
{
    for (struct task *task = vm->tasks; task; task = task->next)
        task->cancelled = true;
    for (struct task *task = vm->tasks; task;) {
        if (task->waiting) {
            task->cancelled = true; /* one that ended may have begun another */
            interrupt(task);
            task = vm->tasks; /* it may have ended, and others with it */
        } else {
            task = task->next;
        }
    }
}

void task_free_spare(struct vm *vm)
{
    while (vm->spare) {
        struct task *task = vm->spare;
        vm->spare = task->next;
        free(task);
    }
}

void task_defer(struct task *task, struct task_defer *node)
{
    node->next = task->defers;
    if (node->next)
        node->next->link = &node->next;
    node->link = &task->defers;
    task->defers = node;
}

void task_undefer(struct task_defer *node)
{
    if (!node->link)
        return;
    *node->link = node->next;
    if (node->next)
        node->next->link = node->link;
    node->link = NULL;
}

static int l_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    task_spawn(vm_from(L), L, lua_gettop(L) - 1, 0, NULL, NULL);
    return 0;
}

static int l_cancel(lua_State *L)
{
    lua_State *thread = lua_tothread(L, 1);
    luaL_argcheck(L, thread && thread != L, 1, "another task's coroutine expected");
    struct task *task = vm_from(L)->tasks;
    while (task && task->L != thread)
        task = task->next;
    if (task)
        task_cancel(task);
    lua_pushboolean(L, task != NULL);
    return 1;
}

static int l_deadline(lua_State *L)
{
    task_set_deadline(task_current(L), (unsigned)luaL_checknumber(L, 1));
    return 0;
}

/* A sleeper: waits for its timer, or for a signal, whichever comes first. */
struct sleeper {
    uv_timer_t timer;
    struct task *task;     /* NULL once cancelled or woken */
    struct signal *signal; /* NULL for a plain sleep */
    struct sleeper *next, **link;
    bool notified;
};

struct signal {
    struct sleeper *sleepers;
};

static void on_sleeper_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void sleeper_close(struct sleeper *sleeper)
{
    if (sleeper->link) {
        *sleeper->link = sleeper->next;
        if (sleeper->next)
            sleeper->next->link = sleeper->link;
        sleeper->link = NULL;
    }
    sleeper->task = NULL;
    uv_close((uv_handle_t *)&sleeper->timer, on_sleeper_closed);
}

static void sleeper_cancel(void *op)
{
    sleeper_close(op);
}

static int push_slept(lua_State *L, void *op)
{
    struct sleeper *sleeper = op;
    if (sleeper->signal && !sleeper->notified)
        return lua_fail_code(L, ERR_TIMEOUT, "not notified in time");
    lua_pushboolean(L, 1);
    return 1;
}

static void on_sleeper_timer(uv_timer_t *timer)
{
    struct sleeper *sleeper = timer->data;
    struct task *task = sleeper->task;
    task_wake(task, push_slept, sleeper);
    sleeper_close(sleeper);
}

static int sleep_for(lua_State *L, struct signal *signal, lua_Number ms)
{
    struct task *task = task_current(L);
    struct sleeper *sleeper = mem_new(sizeof(*sleeper));
    sleeper->task = task;
    sleeper->signal = signal;
    sleeper->timer.data = sleeper;
    uv_timer_init(vm_host(L)->loop, &sleeper->timer);
    uv_timer_start(&sleeper->timer, on_sleeper_timer, ms > 0 ? (uint64_t)ms : 0, 0);
    if (signal) {
        sleeper->next = signal->sleepers;
        if (sleeper->next)
            sleeper->next->link = &sleeper->next;
        sleeper->link = &signal->sleepers;
        signal->sleepers = sleeper;
    }
    return task_wait(L, sleeper_cancel, sleeper);
}

static int l_sleep(lua_State *L)
{
    return sleep_for(L, NULL, luaL_checknumber(L, 1));
}

static int l_signal(lua_State *L)
{
    struct signal *signal = lua_newuserdata(L, sizeof(*signal));
    signal->sleepers = NULL;
    luaL_getmetatable(L, SIGNAL_TYPE);
    lua_setmetatable(L, -2);
    return 1;
}

static int signal_wait(lua_State *L)
{
    struct signal *signal = luaL_checkudata(L, 1, SIGNAL_TYPE);
    return sleep_for(L, signal, luaL_checknumber(L, 2));
}

/* Woken by their own timers at once, so that no task runs inside the notifier. */
static int signal_notify(lua_State *L)
{
    struct signal *signal = luaL_checkudata(L, 1, SIGNAL_TYPE);
    while (signal->sleepers) {
        struct sleeper *sleeper = signal->sleepers;
        signal->sleepers = sleeper->next;
        if (sleeper->next)
            sleeper->next->link = &signal->sleepers;
        sleeper->link = NULL;
        sleeper->notified = true;
        uv_timer_start(&sleeper->timer, on_sleeper_timer, 0, 0);
    }
    return 0;
}

static int signal_gc(lua_State *L)
{
    struct signal *signal = luaL_checkudata(L, 1, SIGNAL_TYPE);
    for (struct sleeper *sleeper = signal->sleepers; sleeper; sleeper = sleeper->next)
        sleeper->link =
            NULL; /* only when the vm closes: a waiting task anchors the signal */
    signal->sleepers = NULL;
    return 0;
}

static const luaL_Reg functions[] = {
    {"spawn", l_spawn},       {"cancel", l_cancel}, {"sleep", l_sleep},
    {"deadline", l_deadline}, {"signal", l_signal}, {NULL, NULL},
};

static const luaL_Reg signal_methods[] = {
    {"wait", signal_wait},
    {"notify", signal_notify},
    {NULL, NULL},
};

static const luaL_Reg signal_meta[] = {
    {"__gc", signal_gc},
    {NULL, NULL},
};

int luaopen_host_task(lua_State *L)
{
    box_type(L, SIGNAL_TYPE, signal_methods, signal_meta);
    lua_module(L, functions);
    return 1;
}
