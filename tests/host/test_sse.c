#include "check.h"
#include "sse.h"

static const char *event_of(const char *id, size_t id_len, const char *text, size_t len)
{
    static struct buf out;
    buf_clear(&out);
    if (!text) { /* the end of the test */
        buf_free(&out);
        return NULL;
    }
    sse_event(&out, id, id_len, text, len);
    return buf_cstr(&out);
}

#define EVENT(text) event_of(NULL, 0, text, sizeof(text) - 1)
#define MARKED(id, text) event_of(id, sizeof(id) - 1, text, sizeof(text) - 1)

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
    event_of(NULL, 0, NULL, 0);
    return check_result("sse");
}
