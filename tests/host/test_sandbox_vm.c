/* A sandbox's state: loading, running, calling out, ending, and what errors say. */
#include "sandbox_test.h"

/* What is given where nothing is to be shown of it. */
static int64_t enough_us(void)
{
    return (int64_t)patiently(100) * 1000;
}

static void runs_a_hook(void)
{
    CHECK_STR(sandbox_eval("return {report.a + 1, {1, 'two'}}"),
              "{\"value\":[2,[1,\"two\"]],\"log\":[]}");
    CHECK_STR(sandbox_eval("log('one') log(2)"),
              "{\"value\":null,\"log\":[\"one\",\"2\"]}");
    CHECK_STR(sandbox_eval("return"), "{\"value\":null,\"log\":[]}");
    CHECK_STR(sandbox_eval("return 1, 2, 3"), "{\"value\":1,\"log\":[]}");
}

static void tells_what_was_declared(void)
{
    struct sandbox_vm *vm = sandbox_load("rules/x.lua", "\nbefore('a', function() end)");
    struct buf out = {0};
    buf_puts(&out, "before ");
    CHECK(sandbox_vm_declared(vm, &out, &sandbox_problem) == 0);
    CHECK_HAS(buf_cstr(&out), "before {\"hooks\":[{");
    CHECK_HAS(buf_cstr(&out), "\"line\":2");
    buf_free(&out);
    sandbox_vm_free(vm);
}

static void runs_without_a_file(void)
{
    struct sandbox_vm *vm = sandbox_start();
    struct buf out = {0};
    CHECK(sandbox_vm_declared(vm, &out, &sandbox_problem) == 0);
    CHECK_STR(buf_cstr(&out), "{\"hooks\":[]}");
    buf_free(&out);
    CHECK_HAS(sandbox_result(vm, "{}"), "attempt to index");
    sandbox_vm_free(vm);
}

static void says_where_an_error_is(void)
{
    CHECK_STR(
        sandbox_eval("\nlocal function f() return report.b.c end\nf()"),
        "{\"error\":{\"code\":\"SCRIPT_ERROR\",\"message\":\"attempt to index field "
        "'b' (a nil value)\",\"file\":\"rules/x.lua\",\"line\":2,\"traceback\":"
        "\"rules/x.lua:2: in function 'f'\\nrules/x.lua:3: in the function of line "
        "1\"},\"log\":[]}");
    CHECK_HAS(sandbox_eval("\n\nlocal x = ("),
              "\"message\":\"unexpected symbol near 'end'\"");
    CHECK_HAS(sandbox_eval("\n\nlocal x = ("), "\"file\":\"rules/x.lua\",\"line\":4");
    CHECK_HAS(sandbox_eval("\nreturn error('wrong')"), "\"line\":2");
    CHECK_HAS(sandbox_eval("\nreturn nothing()"), "\"line\":2");
    CHECK_HAS(sandbox_eval("\nreturn reject('no')"), "\"code\":\"REJECTED\"");
    CHECK_HAS(sandbox_eval("\nreturn reject('no')"), "\"line\":2");
    CHECK_HAS(sandbox_eval("\nlog('kept')\nreturn log()"), "\"log\":[\"kept\",\"nil\"]");
    CHECK_HAS(sandbox_eval("table.sort({1, 2, 3}, function(a, b)\nreturn a.x < b.x end)"),
              "\"line\":2,\"traceback\":\"rules/x.lua:2: in the function of line "
              "1\\nrules/x.lua:1: in ");
    CHECK_HAS(
        sandbox_eval("return ('x'):gsub('x', function()\nreturn ('x'):rep({}) end)"),
        "\"line\":2");
}

static void an_error_of_the_prelude_is_no_authors(void)
{
    static const char prelude[] = "local sandbox = ...\n"
                                  "sandbox.run = function() return nil .. 'x' end";
    struct sandbox_vm *vm = sandbox_vm_new(&sandbox_memory);
    CHECK(sandbox_vm_load(vm, "own.lua", prelude, strlen(prelude), true,
                          &sandbox_problem) == 0);
    const char *text = sandbox_result(vm, "{}");
    CHECK_HAS(text, "\"message\":\"own.lua:2: attempt to concatenate a nil value\"");
    CHECK(!strstr(text, "\"file\""));
    sandbox_vm_free(vm);
}

/* The next text of a run, which must be the outcome that is expected. */
static const char *next(struct sandbox_run *run, enum sandbox_outcome expected)
{
    enum sandbox_outcome outcome;
    sandbox_go(run, &outcome);
    CHECK(outcome == expected);
    return sandbox_text(sandbox_run_text(run));
}

static struct sandbox_run *begin(struct sandbox_vm *vm, const char *input)
{
    return sandbox_run_new(vm, input, strlen(input), &sandbox_limits);
}

static void answer(struct sandbox_run *run, bool ok, const char *json)
{
    char copy[256];
    snprintf(copy, sizeof(copy), "%s", json);
    sandbox_run_answer(run, ok, copy, strlen(copy));
    memset(copy, 'x', sizeof(copy));
}

static void calls_out_and_goes_on(void)
{
    struct sandbox_vm *vm = sandbox_load(
        "rules/x.lua", "before('a', function()\n"
                       "  local one = capability('reports.get', {id = 'r'})\n"
                       "  return capability('reports.close', {title = one.title})\n"
                       "end)");
    struct sandbox_run *run = begin(vm, "{}");
    CHECK_STR(next(run, SANDBOX_CALLS),
              "{\"name\":\"reports.get\",\"arguments\":{\"id\":\"r\"},"
              "\"file\":\"rules/x.lua\",\"line\":2}");
    answer(run, true, "{\"title\":\"a wire\",\"none\":null}");
    CHECK_STR(next(run, SANDBOX_CALLS),
              "{\"name\":\"reports.close\",\"arguments\":{\"title\":\"a wire\"},"
              "\"file\":\"rules/x.lua\",\"line\":3}");
    answer(run, true, "[1,null]");
    CHECK_STR(next(run, SANDBOX_ENDED), "{\"value\":[1,null],\"log\":[]}");
    CHECK(sandbox_run_ok(run));
    CHECK(sandbox_run_cpu_us(run) > 0);
    sandbox_run_free(run);
    sandbox_vm_free(vm);
}

static void a_failed_call_ends_the_run(void)
{
    struct sandbox_vm *vm = sandbox_load("rules/x.lua", "before('a', function()\n"
                                                        "  log('asking')\n"
                                                        "  return capability('x', {})\n"
                                                        "end)");
    struct sandbox_run *run = begin(vm, "{}");
    next(run, SANDBOX_CALLS);
    answer(run, false,
           "{\"code\":\"NOT_FOUND\",\"message\":\"no such thing\","
           "\"details\":[{\"field\":\"id\"}]}");
    CHECK_STR(
        next(run, SANDBOX_ENDED),
        "{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"no such thing\",\"file\":"
        "\"rules/x.lua\",\"line\":3,\"traceback\":\"rules/x.lua:3: in the function of "
        "line 1\",\"details\":[{\"field\":\"id\"}]},\"log\":[\"asking\"]}");
    CHECK(!sandbox_run_ok(run));
    sandbox_run_free(run);
    run = begin(vm, "{}");
    next(run, SANDBOX_CALLS);
    answer(run, false, "[]");
    CHECK_HAS(next(run, SANDBOX_ENDED), "\"code\":\"SCRIPT_ERROR\"");
    sandbox_run_free(run);
    run = begin(vm, "{}");
    next(run, SANDBOX_CALLS);
    answer(run, true, "{");
    CHECK_HAS(next(run, SANDBOX_ENDED), "no JSON");
    sandbox_run_free(run);
    sandbox_vm_free(vm);
}

static void input_that_is_none_ends_the_run(void)
{
    struct sandbox_vm *vm = sandbox_load("rules/x.lua", "before('a', function() end)");
    CHECK_HAS(sandbox_result(vm, "{"), "no JSON");
    CHECK_HAS(sandbox_result(vm, ""), "no JSON");
    sandbox_vm_free(vm);
}

static void nulls_of_the_input_are_nil(void)
{
    CHECK_STR(sandbox_eval("return {report.none == nil, json.decode('null') == null,"
                           "json.encode({null, null})}"),
              "{\"value\":[true,true,\"[null,null]\"],\"log\":[]}");
}

static void lots_depend_on_the_seed(void)
{
    struct sandbox_vm *vm =
        sandbox_load("rules/x.lua", "before('a', function() return math.random() end)");
    char first[128];
    snprintf(first, sizeof(first), "%s", sandbox_result(vm, "{\"seed\":\"an event\"}"));
    CHECK(strcmp(sandbox_result(vm, "{\"seed\":\"another\"}"), first) != 0);
    CHECK_STR(sandbox_result(vm, "{\"seed\":\"an event\"}"), first);
    sandbox_vm_free(vm);
}

/* An attempt draws the same lots again, whatever else ran meanwhile. */
static void lots_are_a_run_s_own(void)
{
    struct sandbox_vm *vm = sandbox_load(
        "rules/x.lua",
        "before('a', function() local lots = {}\n"
        "  for i = 1, 3 do capability('x', {}) lots[i] = math.random(1000000) end\n"
        "  return lots end)");
    char alone[256];
    struct sandbox_run *runs[2];
    enum sandbox_outcome outcome;
    for (int together = 0; together < 2; together++) {
        for (int i = 0; i <= together; i++) {
            runs[i] = begin(vm, i ? "{\"seed\":\"b\"}" : "{\"seed\":\"a\"}");
            next(runs[i], SANDBOX_CALLS);
        }
        for (int step = 0; step < 3; step++)
            for (int i = 0; i <= together; i++) {
                answer(runs[i], true, "null");
                sandbox_go(runs[i], &outcome);
            }
        const char *lots = sandbox_text(sandbox_run_text(runs[0]));
        if (together)
            CHECK_STR(lots, alone);
        snprintf(alone, sizeof(alone), "%s", lots);
        for (int i = 0; i <= together; i++)
            sandbox_run_free(runs[i]);
    }
    sandbox_vm_free(vm);
}

static void lots_are_as_lua_has_them(void)
{
    CHECK_HAS(sandbox_eval("local low, high = 9, 0\n"
                           "for i = 1, 1000 do local n = math.random(3, 5)\n"
                           "  assert(n == math.floor(n) and n >= 3 and n <= 5)\n"
                           "  low, high = math.min(low, n), math.max(high, n)\n"
                           "  local r = math.random() assert(r >= 0 and r < 1)\n"
                           "  assert(math.random(1) == 1) end\n"
                           "return {low, high}"),
              "{\"value\":[3,5]");
    CHECK_HAS(sandbox_eval("return math.random(0)"), "interval is empty");
    CHECK_HAS(sandbox_eval("return math.random(2, 1)"), "interval is empty");
    CHECK_HAS(sandbox_eval("return math.random(0/0)"), "interval is empty");
    CHECK_HAS(sandbox_eval("return math.random('x')"), "number expected");
}

static void runs_take_turns(void)
{
    struct sandbox_vm *vm = sandbox_load(
        "rules/x.lua", "before('a', function(n) local s = 0\n"
                       "  for i = 1, 1e9 do s = s + i if s < 0 then return end end end)\n"
                       "before('b', function(n) return n end)");
    sandbox_limits.cpu_us = 30 * 1000;
    struct sandbox_run *endless = begin(vm, "{\"hook\":1}");
    CHECK(sandbox_run_resume(endless) == SANDBOX_TURN);
    struct sandbox_run *quick = begin(vm, "{\"hook\":2,\"arguments\":[7]}");
    CHECK_STR(next(quick, SANDBOX_ENDED), "{\"value\":7,\"log\":[]}");
    sandbox_run_free(quick);
    enum sandbox_outcome outcome;
    CHECK(sandbox_go(endless, &outcome) >= 2);
    CHECK_HAS(sandbox_text(sandbox_run_text(endless)),
              "limit: cpu 30 ms at rules/x.lua:2");
    CHECK(sandbox_run_cpu_us(endless) >= 30 * 1000);
    sandbox_run_free(endless);
    sandbox_limits.cpu_us = enough_us();
    sandbox_vm_free(vm);
}

/* One that has just begun, or has its answer, is expected to go on at once; if others come before
 * it, what they use is theirs. */
static void a_run_pays_for_itself_alone(void)
{
    struct sandbox_vm *vm =
        sandbox_load("rules/x.lua", "before('a', function() capability('x', {}) end)\n"
                                    "before('b', function() while true do end end)");
    struct sandbox_run *first = begin(vm, "{\"hook\":1}");
    struct sandbox_run *busy = begin(vm, "{\"hook\":2}");
    CHECK(sandbox_run_resume(busy) == SANDBOX_TURN);
    next(first, SANDBOX_CALLS);
    answer(first, true, "null");
    CHECK(sandbox_run_resume(busy) == SANDBOX_TURN);
    next(first, SANDBOX_ENDED);
    CHECK(sandbox_run_cpu_us(busy) >= 2 * 5000);
    CHECK(sandbox_run_cpu_us(first) < 5000);
    struct sandbox_run *gone = begin(vm, "{\"hook\":1}");
    sandbox_run_free(gone);
    CHECK(sandbox_run_resume(busy) == SANDBOX_TURN);
    sandbox_run_free(first);
    sandbox_run_free(busy);
    sandbox_vm_free(vm);
}

static void a_run_under_way_is_dropped(void)
{
    struct sandbox_vm *vm =
        sandbox_load("rules/x.lua", "before('a', function() capability('x', {}) end)\n"
                                    "before('b', function() while true do end end)");
    struct sandbox_run *waiting = begin(vm, "{\"hook\":1}");
    struct sandbox_run *busy = begin(vm, "{\"hook\":2}");
    struct sandbox_run *fresh = begin(vm, "{\"hook\":2}");
    next(waiting, SANDBOX_CALLS);
    CHECK(sandbox_run_resume(busy) == SANDBOX_TURN);
    sandbox_run_free(waiting);
    sandbox_run_free(busy);
    CHECK(fresh != NULL); /* goes with the state */
    begin(vm, "{\"hook\":1}");
    sandbox_vm_free(vm);
}

static void the_log_is_cut(void)
{
    sandbox_limits.log_max = 10;
    CHECK_STR(sandbox_eval("log('12345') log('1234567') log('1')"),
              "{\"value\":null,\"log\":[\"12345\"],\"logCut\":true}");
    CHECK_HAS(sandbox_eval("log('12345') log('1234567') error('x')"), "\"logCut\":true");
    sandbox_limits.log_max = 8 * 1024;
    CHECK_STR(sandbox_eval("log('\\255\\0')"),
              "{\"value\":null,\"log\":[\"\xef\xbf\xbd\\u0000\"]}");
}

static void the_budget_can_be_read(void)
{
    sandbox_limits.cpu_us = 250 * 1000;
    CHECK_HAS(
        sandbox_eval("local b = budget() assert(b.cpuMs >= 0 and b.cpuMs < b.cpuLimitMs)"
                     "assert(b.memoryBytes > 0) return {b.cpuLimitMs, "
                     "b.memoryLimitBytes}"),
        "{\"value\":[250,16777216]");
    sandbox_limits.cpu_us = enough_us();
}

static void a_file_is_at_most_64_kib(void)
{
    struct buf code = {0};
    while (code.len <= SANDBOX_SOURCE_MAX)
        buf_puts(&code, "-- nothing\n");
    struct sandbox_vm *vm = sandbox_load("rules/long.lua", buf_cstr(&code));
    CHECK(!vm);
    CHECK_HAS(buf_cstr(&sandbox_problem), "the file is longer than 64 KiB");
    CHECK_HAS(buf_cstr(&sandbox_problem), "\"file\":\"rules/long.lua\"");
    buf_free(&code);
}

static void a_first_line_of_a_shell_is_passed_over(void)
{
    struct sandbox_vm *vm = sandbox_load(
        "rules/x.lua", "#!/bin/sh it's\nbefore('a', function() return 7 end)");
    CHECK_STR(sandbox_result(vm, "{}"), "{\"value\":7,\"log\":[]}");
    sandbox_vm_free(vm);
    CHECK(!sandbox_load("rules/x.lua", "#!/bin/sh it's\nlocal x = 1LL"));
    CHECK_HAS(buf_cstr(&sandbox_problem), "\"line\":2");
    CHECK(!sandbox_load("rules/x.lua", "\xef\xbb\xbf#'\nlocal x = 1LL"));
    CHECK_HAS(buf_cstr(&sandbox_problem), "\"line\":2");
}

/* What takes long to compile, or a deep stack of C's. */
static void monstrous_files_are_refused_or_loaded(void)
{
    static const struct {
        const char *begin, *repeat, *end;
    } files[] = {
        {"return ", "(", ""},
        {"return ", "{", ""},
        {"return ", "not ", "1"},
        {"return ", "- ", "1"},
        {"return ", "a.", "b"},
        {"return ", "1 .. ", "1"},
        {"return ", "2 ^ ", "1"},
        {"local x = 1 ", "if x == 2 then x = 3 else", " end"},
        {"local x = 1 if x then ", "elseif x == 2 then ", "end"},
        {"local x = ", "x and x or ", "1"},
        {"", "local x ", ""},
        {"", "do ", ""},
        {"", "function ", ""},
        {"local t = {", "1, ", "}"},
        {"local t = {", "x=1,", "}"},
        {"", "::a:: ", ""},
        {"", "goto a ", ""},
        {"local s = [", "=", ""},
        {"local f = 1 f", "()", ""},
        {"return ", "return ", ""},
        {"return (function() ", "return (", ""},
        {"local x = 1", "\nlocal function f() return x end", ""},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct buf code = {0};
        buf_puts(&code, files[i].begin);
        while (code.len < SANDBOX_SOURCE_MAX - 100)
            buf_puts(&code, files[i].repeat);
        buf_puts(&code, files[i].end);
        struct sandbox_vm *vm = sandbox_load("rules/x.lua", buf_cstr(&code));
        if (!vm)
            CHECK_HAS(buf_cstr(&sandbox_problem), "\"file\":\"rules/x.lua\"");
        sandbox_vm_free(vm);
        buf_free(&code);
    }
}

/* Memory that ends at every point of a life gives problems, not crashes, and is given back. */
static void memory_may_end_anywhere(void)
{
    static const char code[] = "before('a', function(r)\n"
                               "  local t = {}\n"
                               "  for i = 1, 50 do t[i] = ('x'):rep(i) .. i end\n"
                               "  table.sort(t, function(a, b) return a > b end)\n"
                               "  local s = table.concat(t, ','):gsub('x+', function(x)\n"
                               "    return #x end)\n"
                               "  log(s)\n"
                               "  capability('x', {s, json.decode('[{},{}]')})\n"
                               "  return {#s, budget()}\n"
                               "end)";
    struct sandbox_memory whole = sandbox_memory;
    bool ended_well = false;
    for (size_t max = 1000; max < 220 * 1000; max += max < 120 * 1000 ? 509 : 4001) {
        sandbox_memory = (struct sandbox_memory){.max = max};
        struct sandbox_vm *vm = sandbox_vm_new(&sandbox_memory);
        struct buf prelude = sandbox_read_file("tests/support/sandbox_prelude.lua");
        struct buf out = {0};
        buf_clear(&sandbox_problem);
        bool good = vm &&
                    sandbox_vm_load(vm, "p", prelude.data, prelude.len, true,
                                    &sandbox_problem) == 0 &&
                    sandbox_vm_load(vm, "x.lua", code, strlen(code), false,
                                    &sandbox_problem) == 0 &&
                    sandbox_vm_declared(vm, &out, &sandbox_problem) == 0;
        CHECK(good || !vm || strstr(buf_cstr(&sandbox_problem), "LIMIT_MEMORY"));
        if (good) {
            struct sandbox_run *run = begin(vm, "{\"arguments\":[{}]}");
            enum sandbox_outcome outcome;
            sandbox_go(run, &outcome);
            if (outcome == SANDBOX_CALLS) {
                answer(run, true, "{\"a\":[1,2,3]}");
                sandbox_go(run, &outcome);
            }
            CHECK(outcome == SANDBOX_ENDED);
            ended_well = sandbox_run_ok(run);
            CHECK(ended_well ||
                  strstr(sandbox_text(sandbox_run_text(run)), "LIMIT_MEMORY"));
            sandbox_run_free(run);
        }
        sandbox_vm_free(vm);
        CHECK(sandbox_memory.used == 0);
        buf_free(&prelude);
        buf_free(&out);
    }
    CHECK(ended_well);
    sandbox_memory = whole;
}

static void states_share_one_account(void)
{
    struct sandbox_vm *idle = sandbox_load(
        "rules/x.lua", "local kept\nbefore('a', function(n) kept = {}\n"
                       "  for i = 1, n do kept[i] = {i} end return #kept end)");
    struct sandbox_vm *other =
        sandbox_load("rules/y.lua", "before('a', function(n) local t = {}\n"
                                    "  for i = 1, n do t[i] = {i} end return #t end)");
    sandbox_limits.cpu_us = 20 * enough_us();
    CHECK_HAS(sandbox_result(idle, "{\"arguments\":[60000]}"), "{\"value\":60000");
    CHECK_HAS(sandbox_result(other, "{\"arguments\":[1000000]}"), "LIMIT_MEMORY");
    CHECK_HAS(sandbox_result(idle, "{\"arguments\":[10]}"), "{\"value\":10");
    CHECK_HAS(sandbox_result(other, "{\"arguments\":[60000]}"), "{\"value\":60000");
    CHECK(sandbox_memory.peak <= sandbox_memory.max + 256 * 1024);
    sandbox_vm_free(idle);
    CHECK_HAS(sandbox_result(other, "{\"arguments\":[60000]}"), "{\"value\":60000");
    sandbox_vm_free(other);
    sandbox_limits.cpu_us = enough_us();
}

/* However little is left when a run meets the end of memory, the next one finds all of it. */
static void the_end_of_memory_is_one_run_s(void)
{
    static const char code[] =
        "before('a', function(n) local list\n"
        "  local pad = ('x'):rep(n) while true do list = {list, pad} end end)\n"
        "before('b', function() return 1 end)";
    struct sandbox_vm *vm = sandbox_load("rules/x.lua", code);
    sandbox_limits.cpu_us = 50 * enough_us();
    for (int n = 0; n < 60; n++) {
        char input[64];
        snprintf(input, sizeof(input), "{\"arguments\":[%d]}", n * 7);
        CHECK_HAS(sandbox_result(vm, input), "limit: memory 16 MiB at rules/x.lua:");
        CHECK_HAS(sandbox_result(vm, "{\"hook\":2,\"arguments\":[]}"), "{\"value\":1");
    }
    CHECK(!sandbox_is_full(&sandbox_memory));
    sandbox_vm_free(vm);
    sandbox_limits.cpu_us = enough_us();
}

static void tells_when_it_is_full_of_what_is_kept(void)
{
    struct sandbox_vm *vm = sandbox_load(
        "rules/x.lua", "local kept = {}\n"
                       "before('a', function(n) kept[#kept + 1] = ('x'):rep(60000)\n"
                       "  :gsub('x', 'y', #kept) end)");
    size_t before = sandbox_vm_held(vm);
    int runs = 0;
    while (!sandbox_is_full(&sandbox_memory) && ++runs < 1000)
        CHECK_HAS(sandbox_result(vm, "{\"arguments\":[1]}"), "{\"value\":");
    CHECK(runs > 100 && runs < 300);
    CHECK(sandbox_vm_held(vm) > before + 11 * 1024 * 1024);
    sandbox_vm_free(vm);
}

static void is_settled_when_runs_have_left_garbage(void)
{
    struct sandbox_vm *vm =
        sandbox_load("rules/x.lua", "before('a', function(n) local t = {}\n"
                                    "  for i = 1, n do t[i] = {i} end return #t end)");
    sandbox_settle(&sandbox_memory);
    size_t at_first = sandbox_memory.used;
    CHECK(!sandbox_has_grown(&sandbox_memory));
    CHECK_HAS(sandbox_result(vm, "{\"arguments\":[1000]}"), "{\"value\":1000");
    CHECK(sandbox_has_grown(&sandbox_memory));
    sandbox_settle(&sandbox_memory);
    CHECK(!sandbox_has_grown(&sandbox_memory));
    CHECK(sandbox_memory.used < at_first + at_first / 10);
    CHECK_HAS(sandbox_result(vm, "{\"arguments\":[10]}"), "{\"value\":10");
    sandbox_vm_free(vm);
}

/* As sandbox_go, with all garbage collected at each turn. */
static int go_collecting(struct sandbox_run *run, enum sandbox_outcome *outcome)
{
    int turns = 0;
    do {
        sandbox_memory.collect_at = 1;
        *outcome = sandbox_run_resume(run);
    } while (*outcome == SANDBOX_TURN && ++turns);
    return turns;
}

/* Each kind of instruction, with values in flight, interrupted at each of them. */
static void a_turn_may_end_after_any_instruction(void)
{
    static const char body[] =
        "local function many(n, ...) if n == 0 then return ... end\n"
        "  return many(n - 1, n, ...) end\n"
        "local function count(...) return select('#', ...), ... end\n"
        "local t = {many(20)}\n"
        "local u = {0, many(5), many(3)}\n"
        "local s = ''\n"
        "for i, v in ipairs(t) do s = s .. v .. (i % 2 == 0 and 'e' or 'o') end\n"
        "for k, v in pairs({a = 1}) do s = s .. v * 2 end\n"
        "local n = 0\n"
        "for i = 10, 1, -3 do n = n + i ^ 2 % 7 end\n"
        "repeat n = n + 1 until n > 30\n"
        "while n < 40 do n = n + 1 if n == 35 then goto out end end\n"
        "::out::\n"
        "local add = function(a) return function(b) n = n + a return a + b, n end end\n"
        "local x, y = add(3)(4)\n"
        "table.sort(t, function(a, b) return a > b end)\n"
        "s = s:gsub('%d', function(d) return d + 1 end):upper()\n"
        "local words = {}\n"
        "for w in ('one two three'):gmatch('%a+') do words[#words + 1] = w end\n"
        "local a, b, c = capability('x', {count(many(4))})\n"
        "return {s, n, x, y, t, u, words, #t, not n, -n, {count(many(3))},\n"
        "  string.format('%s|%d|%5.2f', s, n, x), s == 'x', n < x or y >= n, a.v, b == "
        "nil,\n"
        "  json.encode({count(many(2))}), math.max(many(9)), (many(9)), unpack(t, 1, 3)}";
    char *once = NULL;
    sandbox_limits.cpu_us = 50 * enough_us();
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            sandbox_yield_always();
        struct buf code = {0};
        buf_printf(&code, "before('test', function(report) %s\nend)", body);
        struct sandbox_vm *vm = sandbox_load("rules/x.lua", buf_cstr(&code));
        struct sandbox_run *run = begin(vm, "{\"arguments\":[{}]}");
        enum sandbox_outcome outcome;
        int turns = go_collecting(run, &outcome);
        CHECK(outcome == SANDBOX_CALLS);
        answer(run, true, "{\"v\":[1]}");
        turns += go_collecting(run, &outcome);
        const char *text = sandbox_text(sandbox_run_text(run));
        CHECK_HAS(text, "{\"value\":[");
        if (round == 0)
            once = strdup(text);
        else
            CHECK_STR(text, once);
        CHECK((round == 0) == (turns < 10));
        sandbox_run_free(run);
        sandbox_vm_free(vm);
        buf_free(&code);
    }
    free(once);
}

int main(void)
{
    sandbox_limits.cpu_us = enough_us();
    RUN(runs_a_hook);
    RUN(tells_what_was_declared);
    RUN(runs_without_a_file);
    RUN(says_where_an_error_is);
    RUN(an_error_of_the_prelude_is_no_authors);
    RUN(calls_out_and_goes_on);
    RUN(a_failed_call_ends_the_run);
    RUN(input_that_is_none_ends_the_run);
    RUN(nulls_of_the_input_are_nil);
    RUN(lots_depend_on_the_seed);
    RUN(lots_are_a_run_s_own);
    RUN(lots_are_as_lua_has_them);
    RUN(runs_take_turns);
    RUN(a_run_pays_for_itself_alone);
    RUN(a_run_under_way_is_dropped);
    RUN(the_log_is_cut);
    RUN(the_budget_can_be_read);
    RUN(a_file_is_at_most_64_kib);
    RUN(a_first_line_of_a_shell_is_passed_over);
    RUN(monstrous_files_are_refused_or_loaded);
    RUN(memory_may_end_anywhere);
    RUN(states_share_one_account);
    RUN(the_end_of_memory_is_one_run_s);
    RUN(tells_when_it_is_full_of_what_is_kept);
    RUN(is_settled_when_runs_have_left_garbage);
    RUN(a_turn_may_end_after_any_instruction); /* the last: it changes all states after it */
    sandbox_test_end();
    return check_result("sandbox_vm");
}
