#include "control.h"
#include "buf.h"
#include "conf.h"
#include "listener.h"
#include "master_state.h"
#include "reload.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COMMAND_TIMEOUT_MS = 60000 };

void control_init(struct master *master)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        master->clients[i] = -1;
}

static void hang_up(struct master *master, int slot)
{
    close(master->clients[slot]);
    master->clients[slot] = -1;
    master->client_waits[slot] = false;
}

static void answer(struct master *master, int slot, const char *word, const char *text)
{
    channel_send(master->clients[slot], word, 0, text);
    hang_up(master, slot);
}

void control_answer_waiting(struct master *master, const char *word, const char *text)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (master->client_waits[i])
            answer(master, i, word, text);
}

static void answer_status(struct master *master, int slot)
{
    char text[CHANNEL_TEXT_MAX] = "";
    size_t len = 0;
    for (int i = 0; i < master->count && len < sizeof(text) - 64; i++) {
        const struct child *child = &master->children[i];
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%-8s pid %-8d %s\n",
                                child_name(child), child->pid,
                                child->kill_ms ? "ending"
                                : child->up    ? "up"
                                : child->pid   ? "starting"
                                               : "down");
    }
    answer(master, slot, "ok", text);
}

void control_read(struct master *master, int slot)
{
    static struct message message;
    int rc = channel_receive(master->clients[slot], &message);
    if (rc == 0)
        return;
    if (rc < 0) {
        hang_up(master, slot);
    } else if (strcmp(message.word, "status") == 0) {
        answer_status(master, slot);
    } else if (strcmp(message.word, "reload") == 0) {
        master->client_waits[slot] = true;
        reload_begin(master);
    } else {
        answer(master, slot, "failed", "unknown command");
    }
}

/* A free place, for which one who has said nothing yet makes way: eight that are silent would
 * keep everybody from a reload. -1 while all wait for theirs. */
static int take_slot(struct master *master)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (master->clients[i] < 0)
            return i;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (!master->client_waits[i])
            control_read(master, i); /* its word may be there */
        if (master->client_waits[i])
            continue;
        if (master->clients[i] >= 0)
            hang_up(master, i);
        return i;
    }
    return -1;
}

void control_accept(struct master *master)
{
    int fd = accept4(master->control, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int slot = take_slot(master);
    if (slot >= 0) {
        master->clients[slot] = fd;
        return;
    }
    channel_send(fd, "failed", 0, "too many commands at once");
    close(fd);
}

/* ---- the other side ---- */

/* The lines of answer_status. */
static void put_processes(struct buf *out, const char *text)
{
    buf_putc(out, '[');
    for (const char *line = text, *pid; (pid = strstr(line, " pid "));) {
        int number = 0;
        char state[16] = "";
        size_t len = (size_t)(pid - line);
        while (len && line[len - 1] == ' ')
            len--;
        sscanf(pid, " pid %d %15s", &number, state);
        buf_puts(out, line == text ? "{\"name\":" : ",{\"name\":");
        buf_json_string(out, line, len);
        buf_printf(out, ",\"pid\":%d,\"state\":\"%s\"}", number, state);
        line = strchr(pid, '\n');
        line = line ? line + 1 : "";
    }
    buf_putc(out, ']');
}

static void print_json(const char *text, bool ok, bool is_status)
{
    struct buf out = {0};
    if (ok && is_status) {
        put_processes(&out, text);
    } else {
        buf_printf(&out, "{\"ok\":%s,\"message\":", ok ? "true" : "false");
        buf_json_string(&out, text, strlen(text));
        buf_putc(&out, '}');
    }
    printf("%s\n", buf_cstr(&out));
    buf_free(&out);
}

int control_command(const struct conf *conf, const char *word, bool json)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/run/control.sock", conf_str(conf, "server.data"));
    struct err err;
    int fd = listener_connect(path, SOCK_SEQPACKET, &err);
    if (fd < 0) {
        fprintf(stderr, "fixxit: no server answers on this data folder (%s)\n",
                err.message);
        return 1;
    }
    static struct message message;
    struct pollfd answer = {fd, POLLIN, 0};
    if (channel_send(fd, word, 0, NULL) < 0 ||
        poll(&answer, 1, COMMAND_TIMEOUT_MS) <= 0 || channel_receive(fd, &message) <= 0) {
        fprintf(stderr, "fixxit: the server did not answer\n");
        close(fd);
        return 1;
    }
    close(fd);
    bool ok = strcmp(message.word, "ok") == 0;
    if (json) {
        print_json(message.text, ok, strcmp(word, "status") == 0);
        return ok ? 0 : 1;
    }
    size_t len = strlen(message.text);
    fprintf(ok ? stdout : stderr, "%s%s", message.text,
            len && message.text[len - 1] == '\n' ? "" : "\n");
    return ok ? 0 : 1;
}
