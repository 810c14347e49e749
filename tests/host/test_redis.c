#include "check.h"
#include "conf.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "redis.h"
#include "servers.h"
#include <hiredis/hiredis.h>

#define TIMEOUT_MS patiently(400)

static struct conf *conf_for(const char *path, const char *host, int port)
{
    char text[512];
    int len =
        snprintf(text, sizeof(text),
                 "redis.socket%c%s%credis.host%c%s%credis.port%c%d%credis.password%c%c"
                 "redis.db%c3%credis.timeout_ms%c%d%c",
                 0, path, 0, 0, host, 0, 0, port, 0, 0, 0, 0, 0, 0, TIMEOUT_MS, 0);
    return conf_parse(text, (size_t)len);
}

static struct conf *conf_local(void)
{
    return conf_for(servers_path("redis.sock"), "", 0);
}

/* What came back, as text: arrays as (a,b), nil as nil. */
struct answer {
    bool done;
    char code[16], text[512];
};

static void describe(char *out, size_t size, const redisReply *reply)
{
    size_t used = strlen(out);
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        snprintf(out + used, size - used, "%lld", reply->integer);
        break;
    case REDIS_REPLY_NIL:
        snprintf(out + used, size - used, "nil");
        break;
    case REDIS_REPLY_ARRAY:
        for (size_t i = 0; i < reply->elements; i++) {
            used = strlen(out);
            snprintf(out + used, size - used, "%c", i ? ',' : '(');
            describe(out, size, reply->element[i]);
        }
        used = strlen(out);
        snprintf(out + used, size - used, reply->elements ? ")" : "()");
        break;
    default:
        snprintf(out + used, size - used, "%.*s", (int)reply->len, reply->str);
    }
}

static void on_answer(void *arg, const struct redisReply *reply, const struct err *err)
{
    struct answer *answer = arg;
    answer->done = true;
    answer->text[0] = answer->code[0] = '\0';
    if (err) {
        snprintf(answer->code, sizeof(answer->code), "%s", err->code);
        snprintf(answer->text, sizeof(answer->text), "%.200s", err->message);
    } else {
        describe(answer->text, sizeof(answer->text), reply);
    }
}

/* Splits at spaces. */
static struct redis_call *send_line(struct redis *redis, const char *line,
                                    struct answer *answer)
{
    static char copy[512];
    const char *argv[16];
    size_t lens[16];
    int argc = 0;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        argv[argc] = word;
        lens[argc++] = strlen(word);
    }
    struct err err;
    memset(answer, 0, sizeof(*answer));
    struct redis_call *call =
        redis_call(redis, argc, argv, lens, on_answer, answer, &err);
    if (!call)
        on_answer(answer, NULL, &err);
    return call;
}

static struct answer *ask(struct redis *redis, const char *line)
{
    static struct answer answer;
    send_line(redis, line, &answer);
    loop_await(&answer.done);
    return &answer;
}

static void on_gone(void *arg)
{
    *(bool *)arg = true;
}

static void close_all(struct redis *redis, struct conf *conf)
{
    bool gone = false;
    redis_close(redis, on_gone, &gone);
    CHECK(!gone);
    loop_await(&gone);
    conf_free(conf);
}

static void await_connected(struct redis *redis)
{
    for (int i = 0; i < 1500 && !redis_connected(redis); i++)
        loop_pass(10);
    CHECK(redis_connected(redis));
}

static void answers_calls(void)
{
    struct conf *conf = conf_local();
    struct redis *redis = redis_new(loop, conf);
    CHECK(!redis_connected(redis));
    CHECK_STR(ask(redis, "SET name value")->text, "OK"); /* waits for the connection */
    CHECK(redis_connected(redis));
    CHECK_STR(ask(redis, "GET name")->text, "value");
    CHECK_STR(ask(redis, "GET missing")->text, "nil");
    CHECK_STR(ask(redis, "INCRBY counter 41")->text, "41");
    CHECK_STR(ask(redis, "RPUSH list a b c")->text, "3");
    CHECK_STR(ask(redis, "LRANGE list 0 -1")->text, "(a,b,c)");
    CHECK_STR(ask(redis, "LRANGE nothing 0 -1")->text, "()");
    CHECK_STR(ask(redis, "EVAL return{1,{2,{'x'}}} 0")->text, "(1,(2,(x)))");
    struct answer *answer = ask(redis, "INCR list");
    CHECK_STR(answer->code, REDIS_REFUSED);
    CHECK(strstr(answer->text, "WRONGTYPE") != NULL);
    CHECK_STR(ask(redis, "NOSUCHCOMMAND")->code, REDIS_REFUSED);
    close_all(redis, conf);
}

static void uses_the_configured_database(void)
{
    struct conf *conf = conf_local();
    struct redis *redis = redis_new(loop, conf);
    ask(redis, "SET where here");
    CHECK(strstr(ask(redis, "CLIENT INFO")->text, " db=3 ") != NULL);
    close_all(redis, conf);
}

static void carries_large_and_binary_values(void)
{
    struct conf *conf = conf_local();
    struct redis *redis = redis_new(loop, conf);
    size_t len = 3000000; /* more than the socket takes at once */
    char *big = mem_new(len);
    for (size_t i = 0; i < len; i++)
        big[i] = (char)(i * 31);
    const char *argv[] = {"SET", "big", big};
    size_t lens[] = {3, 3, len};
    struct answer answer = {0};
    CHECK(redis_call(redis, 3, argv, lens, on_answer, &answer, NULL));
    loop_await(&answer.done);
    CHECK_STR(answer.text, "OK");
    CHECK_STR(ask(redis, "STRLEN big")->text, "3000000");
    CHECK_STR(ask(redis, "DEL big")->text, "1");
    free(big);
    close_all(redis, conf);
}

static void keeps_the_order_of_many_calls(void)
{
    enum { MANY = 2000 };
    struct conf *conf = conf_local();
    struct redis *redis = redis_new(loop, conf);
    struct answer *answers = mem_new(MANY * sizeof(*answers));
    ask(redis, "DEL count");
    for (int i = 0; i < MANY; i++) {
        struct redis_call *call = send_line(redis, "INCR count", &answers[i]);
        if (i % 10 == 3)
            redis_forget(call);
    }
    loop_await(&answers[MANY - 1].done);
    for (int i = 0; i < MANY; i++) {
        CHECK(answers[i].done == (i % 10 != 3));
        CHECK(!answers[i].done || atoi(answers[i].text) == i + 1);
    }
    free(answers);
    close_all(redis, conf);
}

/* ---- subscriptions ---- */

struct listener {
    struct redis_sub *sub;
    unsigned count;
    bool came, once;
    char last[64];
};

static void on_message(void *arg, const char *payload, size_t len)
{
    struct listener *listener = arg;
    listener->count++;
    listener->came = true;
    snprintf(listener->last, sizeof(listener->last), "%.*s", (int)len, payload);
    if (listener->once)
        redis_unsubscribe(listener->sub);
}

static void listen_to(struct redis *redis, const char *channel, struct listener *listener)
{
    listener->sub =
        redis_subscribe(redis, channel, strlen(channel), on_message, listener);
}

/* Publishes until the number of receivers is as expected. */
static void publish(struct redis *redis, const char *line, const char *receivers)
{
    for (int i = 0; i < 300 && strcmp(ask(redis, line)->text, receivers) != 0; i++)
        loop_pass(10);
    CHECK_STR(ask(redis, line)->text, receivers);
}

static void delivers_messages(void)
{
    struct conf *conf = conf_local();
    struct redis *redis = redis_new(loop, conf);
    struct listener one = {0}, two = {0}, other = {.once = true};
    listen_to(redis, "news", &one);
    listen_to(redis, "news", &two);
    listen_to(redis, "other", &other);
    publish(redis, "PUBLISH news hello", "1");
    loop_await(&one.came);
    loop_await(&two.came);
    CHECK_STR(one.last, "hello");
    publish(redis, "PUBLISH other bye", "0"); /* it left while it was being told */
    CHECK(other.count == 1);
    redis_unsubscribe(one.sub);
    two.came = false;
    unsigned before = one.count;
    publish(redis, "PUBLISH news again", "1");
    loop_await(&two.came);
    CHECK(one.count == before);
    CHECK_STR(two.last, "again");
    redis_unsubscribe(two.sub);
    publish(redis, "PUBLISH news nobody", "0");
    listen_to(redis, "news", &one);
    one.came = false;
    publish(redis, "PUBLISH news back", "1");
    loop_await(&one.came);
    CHECK_STR(one.last, "back");
    close_all(redis, conf); /* with a subscription left */
}

/* ---- a server that is not there ---- */

static void comes_back_after_a_kill(void)
{
    struct conf *conf = conf_local();
    struct redis *redis = redis_new(loop, conf);
    struct listener listener = {0};
    listen_to(redis, "news", &listener);
    publish(redis, "PUBLISH news before", "1");
    servers_kill(&servers_redis);
    loop_pass(100);
    CHECK(!redis_connected(redis));
    uint64_t start = uv_hrtime();
    CHECK_STR(ask(redis, "GET x")->code, ERR_UNAVAILABLE);
    CHECK(uv_hrtime() - start < patiently(50) * 1000000ull);
    unlink(servers_path("redis.sock"));
    loop_pass(300);
    CHECK_STR(ask(redis, "GET x")->code, ERR_UNAVAILABLE);
    servers_start_redis();
    start = uv_hrtime();
    await_connected(redis);
    CHECK(uv_hrtime() - start < patiently(1500) * 1000000ull);
    CHECK_STR(ask(redis, "SET x 1")->text, "OK");
    listener.came = false;
    publish(redis, "PUBLISH news after", "1");
    loop_await(&listener.came);
    CHECK_STR(listener.last, "after");
    close_all(redis, conf);
}

static void ends_calls_of_a_killed_server(void)
{
    struct conf *conf = conf_local();
    struct redis *redis = redis_new(loop, conf);
    ask(redis, "SET x 1");
    servers_hang(servers_redis);
    struct answer answer;
    send_line(redis, "GET x", &answer);
    loop_pass(20);
    CHECK(!answer.done);
    servers_kill(&servers_redis);
    CHECK(loop_until(&answer.done, 200));
    CHECK_STR(answer.code, ERR_UNAVAILABLE);
    close_all(redis, conf);
    unlink(servers_path("redis.sock"));
    servers_start_redis();
}

static void gives_up_on_a_hung_server(void)
{
    struct conf *conf = conf_local();
    struct redis *redis = redis_new(loop, conf);
    ask(redis, "SET x 1");
    servers_hang(servers_redis);
    uint64_t start = uv_hrtime();
    CHECK_STR(ask(redis, "GET x")->code, ERR_TIMEOUT);
    CHECK(uv_hrtime() - start < TIMEOUT_MS * 3000000ull);
    start = uv_hrtime();
    CHECK_STR(ask(redis, "GET x")->code,
              ERR_UNAVAILABLE); /* known to be down: no waiting */
    CHECK(uv_hrtime() - start < patiently(50) * 1000000ull);
    kill(servers_redis, SIGCONT);
    await_connected(redis);
    CHECK_STR(ask(redis, "GET x")->text, "1");
    close_all(redis, conf);
}

static void notices_a_refused_connection(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, never listening: refused */
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    CHECK(bind(fd, (struct sockaddr *)&address, len) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    static const char *const hosts[] = {"127.0.0.1", "localhost", "no.such.name.invalid"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct conf *conf = conf_for("", hosts[i], ntohs(address.sin_port));
        struct redis *redis = redis_new(loop, conf);
        uint64_t start = uv_hrtime();
        CHECK_STR(ask(redis, "GET x")->code, ERR_UNAVAILABLE);
        CHECK(uv_hrtime() - start < patiently(200) * 1000000ull);
        loop_pass(120);
        CHECK(!redis_connected(redis));
        CHECK_STR(ask(redis, "GET x")->code, ERR_UNAVAILABLE);
        close_all(redis, conf);
    }
    close(fd);
}

static void wants_the_password(void)
{
    struct conf *conf = conf_local();
    struct redis *redis = redis_new(loop, conf);
    CHECK_STR(ask(redis, "CONFIG SET requirepass secret")->text, "OK");
    struct redis *stranger = redis_new(loop, conf);
    loop_pass(150);
    CHECK(!redis_connected(stranger));
    CHECK_STR(ask(stranger, "GET x")->code, ERR_UNAVAILABLE);
    const char *argv[] = {"CONFIG", "SET", "requirepass", ""};
    size_t lens[] = {6, 3, 11, 0};
    struct answer answer = {0};
    CHECK(redis_call(redis, 4, argv, lens, on_answer, &answer, NULL));
    loop_await(&answer.done);
    await_connected(stranger);
    bool gone = false;
    redis_close(stranger, on_gone, &gone);
    loop_await(&gone);
    close_all(redis, conf);
}

int main(void)
{
    log_init(LOG_ERROR, false, "test");
    signal(SIGPIPE, SIG_IGN);
    servers_start_redis();
    loop = uv_default_loop();
    RUN(answers_calls);
    RUN(uses_the_configured_database);
    RUN(carries_large_and_binary_values);
    RUN(keeps_the_order_of_many_calls);
    RUN(delivers_messages);
    RUN(comes_back_after_a_kill);
    RUN(ends_calls_of_a_killed_server);
    RUN(gives_up_on_a_hung_server);
    RUN(notices_a_refused_connection);
    RUN(wants_the_password);
    uv_run(loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(loop) == 0);
    servers_stop();
    return check_result("redis");
}
