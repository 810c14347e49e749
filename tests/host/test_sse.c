#include "check.h"
#include "sse.h"

static const char *event_of(const char *name, const char *id, size_t id_len,
                            const char *text, size_t len)
{
    static struct buf out;
    buf_clear(&out);
    if (!text) { /* the end of the test */
        buf_free(&out);
        return NULL;
    }
    sse_event(&out,
              &(struct sse_event){name, name ? strlen(name) : 0, id, id_len, text, len});
    return buf_cstr(&out);
}

#define EVENT(text) event_of(NULL, NULL, 0, text, sizeof(text) - 1)
#define MARKED(id, text) event_of(NULL, id, sizeof(id) - 1, text, sizeof(text) - 1)

static void writes_lines(void)
{
    CHECK_STR(EVENT("{\"a\":1}"), "data: {\"a\":1}\n\n");
    CHECK_STR(EVENT(""), "data: \n\n");
    CHECK_STR(EVENT("a\nb"), "data: a\ndata: b\n\n");
    CHECK_STR(EVENT("a\r\nb\rc\n"), "data: a\ndata: b\ndata: c\ndata: \n\n");
    CHECK_STR(EVENT("\n\r"), "data: \ndata: \ndata: \n\n");
    CHECK_STR(EVENT("a\n\nevent: b"), "data: a\ndata: \ndata: event: b\n\n");
}

static void marks_events(void)
{
    CHECK_STR(MARKED("7:42", "x"), "id: 7:42\ndata: x\n\n");
    CHECK_STR(MARKED("7\n42", "x"), "data: x\n\n");
    CHECK_STR(MARKED("7\r", "x"), "data: x\n\n");
    CHECK_STR(MARKED("7\0", "x"), "data: x\n\n");
    CHECK_STR(MARKED("", "x"), "id: \ndata: x\n\n"); /* forgets the earlier one */
}

static void names_events(void)
{
    CHECK_STR(event_of("report:created", "7:1", 3, "x", 1),
              "event: report:created\nid: 7:1\ndata: x\n\n");
    CHECK_STR(event_of("a\ndata: b", NULL, 0, "x", 1), "data: x\n\n");
}

static void tells_when_to_come_back(void)
{
    struct buf out = {0};
    sse_retry(&out, 1500);
    CHECK_STR(buf_cstr(&out), "retry: 1500\n\n");
    buf_free(&out);
}

static void begins_an_answer(void)
{
    struct buf out = {0};
    sse_head(&out);
    const char *head = buf_cstr(&out);
    CHECK(strncmp(head, "HTTP/1.1 200 OK\r\nDate: ", 23) == 0);
    CHECK(strstr(head, " GMT\r\nContent-Type: text/event-stream\r\n") != NULL);
    CHECK(strcmp(head + strlen(head) - 19, "Connection: close\r\n") == 0);
    buf_free(&out);
}

int main(void)
{
    RUN(begins_an_answer);
    RUN(writes_lines);
    RUN(marks_events);
    RUN(names_events);
    RUN(tells_when_to_come_back);
    event_of(NULL, NULL, 0, NULL, 0);
    return check_result("sse");
}
