/* host.fs, host.process and host.image as Lua sees them, with the collector running all
 * the time and a real image process. */
#include "check.h"
#include "conf.h"
#include "image_client.h"
#include "image_process.h"
#include "log.h"
#include "lua_bindings.h"
#include "lua_test.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Instead of every primitive of the host. */
const luaL_Reg lua_bindings[] = {
    {"host.fs", luaopen_host_fs},
    {"host.image", luaopen_host_image},
    {"host.process", luaopen_host_process},
    {"host.task", luaopen_host_task},
    {NULL, NULL},
};

static char dir[64];

static void run(const char *name, const char *code)
{
    static const char preamble[] =
        "local fs, image, process, task = require 'host.fs', require 'host.image', "
        "require 'host.process', require 'host.task'\n"
        "local dir = '%s'\n"
        "local function is(actual, expected)\n"
        "  if actual ~= expected then\n"
        "    error(('got %%s, expected %%s'):format(tostring(actual), "
        "tostring(expected)), 2)\n"
        "  end\n"
        "end\n"
        "local function fails(code, value, err) is(value, nil); is(err.code, code) end\n"
        "local function raises(...) is(pcall(...), false) end\n"
        "%s";
    static char text[8192];
    snprintf(text, sizeof(text), preamble, dir, code);
    lua_test_run(name, text);
}

static void files_are_written_and_read(void)
{
    run("fs",
        "is(fs.write(dir .. '/a', 'x\\0y'), true); is(fs.read(dir .. '/a'), 'x\\0y')\n"
        "is(fs.read_now(dir .. '/a'), 'x\\0y'); fails('TOO_LARGE', fs.read(dir .. '/a', "
        "2))\n"
        "fails('NOT_FOUND', fs.read(dir .. '/b')); fails('NOT_FOUND', fs.read_now(dir .. "
        "'/b'))\n"
        "is(fs.mkdir(dir .. '/d/e'), true); is(fs.stat(dir .. '/d').type, 'dir')\n"
        "is(fs.stat(dir .. '/a').size, 3); is(fs.stat(dir .. '/a').type, 'file')\n"
        "is(fs.copy(dir .. '/a', dir .. '/c'), true); is(fs.rename(dir .. '/c', dir .. "
        "'/b'), "
        "true)\n"
        "is(table.concat(fs.list(dir), ' '), 'a b d image'); is(#fs.list_now(dir), 4)\n"
        "is(fs.install(dir .. '/b', dir .. '/d/new/b'), true); is(#fs.hash(dir .. '/a'), "
        "64)\n"
        "is(fs.unlink(dir .. '/a'), true); fails('NOT_FOUND', fs.unlink(dir .. '/a'))\n"
        "raises(fs.read, 'a\\0b'); raises(fs.read, ''); raises(fs.read); raises(fs.read, "
        "'a', "
        "-1)\n");
}

static void a_file_operation_can_be_cancelled(void)
{
    run("cancel", "task.deadline(1); task.sleep(100)\n"
                  "fails('TIMEOUT', fs.write(dir .. '/late', 'x'))\n");
}

static void processes_run_and_are_waited_for(void)
{
    run("process", "local out = dir .. '/out'\n"
                   "local p = process.spawn{argv = {'sh', '-c', 'echo $A; pwd; exit 3'}, "
                   "env = {A = 'b c'},\n"
                   "  cwd = dir, stdout = out}\n"
                   "local code, signal = p:wait(); is(code, 3); is(signal, nil)\n"
                   "is(p:wait(), 3); fails('CLOSED', p:kill('TERM'))\n"
                   "is(fs.read(out), 'b c\\n' .. dir .. '\\n')\n"
                   "p = process.spawn{argv = {'sleep', '60'}, new_group = true}\n"
                   "fails('TIMEOUT', p:wait(20)); is(p:pid() > 1, true)\n"
                   "local seen = 0\n"
                   "for _ = 1, 3 do task.spawn(function() if p:wait() == 137 then seen = "
                   "seen + 1 end end) "
                   "end\n"
                   "is(p:kill('SIGKILL'), true); code, signal = p:wait(); is(code, 137); "
                   "is(signal, 9)\n"
                   "task.sleep(1); is(seen, 3)\n"
                   "process.spawn{argv = {'true'}}; collectgarbage(); task.sleep(50)\n"
                   "fails('NOT_FOUND', process.spawn{argv = {'no-such-program'}})\n"
                   "raises(process.spawn, {}); raises(process.spawn, {argv = {}}); "
                   "raises(p.kill, p, "
                   "'FOO')\n"
                   "raises(process.spawn, {argv = {1}}); raises(p.kill, p, 0)\n");
}

static void pictures_go_through_the_image_process(void)
{
    run("image",
        "local gif = "
        "'GIF89a\\1\\0\\1\\0\\128\\0\\0\\255\\255\\255\\0\\0\\0!\\249\\4\\0\\0\\0\\0'\n"
        "  .. '\\0,\\0\\0\\0\\0\\1\\0\\1\\0\\0\\2\\2D\\1\\0;'\n"
        "local path, out = dir .. '/gif', dir .. '/image.out'\n"
        "fs.write(path, gif)\n"
        "local found = image.inspect(path)\n"
        "is(found.format, 'gif'); is(found.width, 1); is(found.pages, 1); is(found.gps, "
        "nil)\n"
        "local clean = image.clean(path, out, {format = 'png'})\n"
        "is(clean.format, 'png'); is(clean.size, fs.stat(out).size)\n"
        "is(clean.sha256, fs.hash(out)); is(image.clean(path, out).format, 'gif')\n"
        "local small = image.thumbnail(path, out, {width = 64, height = 32, format = "
        "'webp'})\n"
        "is(small.width, 64); is(small.height, 32); is(image.inspect(out).format, "
        "'webp')\n"
        "fs.write(path, 'text'); is(image.inspect(path).format, 'unknown')\n"
        "is(image.inspect(path).width, nil); fails('INVALID', image.clean(path, out))\n"
        "fails('NOT_FOUND', image.inspect(dir .. '/none'))\n"
        "raises(image.clean, path); raises(image.thumbnail, path, out, {width = 64})\n"
        "raises(image.clean, path, out, {format = 'heic'}); raises(image.inspect)\n"
        "raises(image.thumbnail, path, out, {width = 9, height = 9, fit = 'any'})\n"
        "raises(image.clean, path, out, {quality = 101})\n"
        "task.deadline(1); task.sleep(100); fails('TIMEOUT', image.inspect(path))\n");
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 4) < 0)
        abort();
    return fd;
}

int main(void)
{
    char text[512], command[128];
    strcpy(dir, "/tmp/test_lua_files.XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    int len = snprintf(
        text, sizeof(text),
        "image.socket%c%s/image%cimage.max_pixels%c1000000%cimage.timeout_ms%c9000%c"
        "image.queue_max%c16%cimage.heic%cfalse%c",
        0, dir, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    struct conf *conf = conf_parse(text, (size_t)len);
    int listen_fd = listen_at(conf_str(conf, "image.socket"));
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(image_process_main(listen_fd, conf));
    }
    loop = uv_default_loop();
    lua_test_host.loop = loop;
    lua_test_host.conf = conf;
    struct image_client *client = image_client_new(&lua_test_host);
    lua_test_host.image = client;
    lua_test_start();
    RUN(files_are_written_and_read);
    RUN(a_file_operation_can_be_cancelled);
    RUN(processes_run_and_are_waited_for);
    RUN(pictures_go_through_the_image_process);
    lua_test_end();
    image_client_close(client);
    loop_pass(20);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(listen_fd);
    conf_free(conf);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command) != 0)
        return 1;
    return check_result("lua_files");
}
