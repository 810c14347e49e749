/* The end of a request: its time is counted, and it gets its line in the access log. No call of
 * Lua's for it: what it needs is what the entry point returned. */
#include "buf.h"
#include "log.h"
#include "lua_http_exchange.h"
#include "metrics.h"
#include "turn.h"

/* What the entry point returned, behind what the task held; from FIRST on names and values. */
enum { STATUS = 2, SECONDS, COUNT, TRACE, FIRST };

#define NS_PER_US 1000
#define NS_PER_TENTH UINT64_C(100000) /* of a ms */

#define PUT(line, literal) buf_append(line, literal, sizeof(literal) - 1)

/* Milliseconds with a decimal, unless that is 0. */
static void put_ms(struct buf *line, uint64_t ns)
{
    uint64_t tenths = (ns + NS_PER_TENTH / 2) / NS_PER_TENTH;
    buf_put_whole(line, tenths / 10);
    if (tenths % 10) {
        buf_putc(line, '.');
        buf_putc(line, (char)('0' + tenths % 10));
    }
}

/* `,"name":"text"` for the name at `arg` and the text behind it, nothing for nil. */
static void put_field(lua_State *L, int arg, struct buf *line)
{
    size_t name_len, len;
    const char *text = lua_tolstring(L, arg + 1, &len);
    const char *name = lua_tolstring(L, arg, &name_len);
    if (!name || !text)
        return;
    PUT(line, ",\"");
    buf_append(line, name, name_len);
    PUT(line, "\":");
    buf_json_string(line, text, len);
}

static void write_line(lua_State *L, struct exchange *exchange, uint64_t ns,
                       uint64_t wall_ns)
{
    static struct buf line; /* of the loop's thread */
    struct http_req *req = exchange->req;
    size_t path_len, id_len, trace_len;
    bool ours;
    const char *path = http_req_path(req, &path_len);
    line.len = 0;
    PUT(&line, "\"method\":\"");
    buf_puts(&line, http_req_method(req));
    PUT(&line, "\",\"path\":");
    buf_json_string(&line, path, path_len);
    PUT(&line, ",\"status\":");
    buf_put_whole(&line, (uint64_t)lua_tointeger(L, STATUS));
    PUT(&line, ",\"ms\":");
    put_ms(&line, ns);
    PUT(&line, ",\"ip\":\"");
    buf_puts(&line, http_req_ip(req));
    PUT(&line, "\",\"requestId\":\"");
    const char *id = http_req_id(req, &id_len, &ours);
    buf_append(&line, id, id_len);
    PUT(&line, "\",\"traceId\":\"");
    const char *trace = lua_tolstring(L, TRACE, &trace_len);
    buf_append(&line, trace ? trace : exchange_trace(exchange),
               trace ? trace_len : UUID_HEX);
    buf_putc(&line, '"');
    for (int i = FIRST, top = lua_gettop(L); i < top; i += 2)
        put_field(L, i, &line);
    log_access(wall_ns, line.data, line.len);
    buf_clear(&line);
}

void exchange_finish(lua_State *L, struct exchange *exchange)
{
    struct metrics *metrics = exchange->host->metrics;
    struct turn_time turn = turn_time();
    uint64_t now = uv_hrtime(), ns = now - exchange->began;
    int seconds = (int)lua_tointeger(L, SECONDS), count = (int)lua_tointeger(L, COUNT);
    if (lua_gettop(L) < COUNT)
        return; /* not core.app: tests */
    if (metrics_is(metrics, seconds, METRIC_HISTOGRAM))
        metrics_observe(metrics, seconds, (int64_t)(ns / NS_PER_US));
    if (metrics_is(metrics, count, METRIC_COUNTER))
        metrics_add(metrics, count, 1);
    if (log_access_enabled())
        write_line(L, exchange, ns, turn.wall + (now - turn.steady));
}
