#include "cli.h"
#include "conf.h"
#include "counters.h"
#include "db_pool.h"
#include "host.h"
#include "http_client.h"
#include "image_client.h"
#include "log.h"
#include "metrics.h"
#include "rate_limits.h"
#include "redis.h"
#include "sandbox_client.h"
#include "smtp.h"
#include "vm.h"
#include "work.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cli {
    struct host host;
    struct vm *vm;
    int exit_code;
};

static void on_vm_gone(void *arg)
{
    struct host *host = &((struct cli *)arg)->host;
    image_client_close(host->image);
    sandbox_client_close(host->sandbox);
    http_client_close(host->http_client);
    smtp_close(host->smtp);
    redis_close(host->redis, NULL, NULL);
    db_pool_close(host->db, NULL, NULL);
    work_free(host->work);
}

static void on_done(void *arg, const char *problem, const char *result, size_t len)
{
    struct cli *cli = arg;
    (void)len;
    if (problem)
        fprintf(stderr, "fixxit: %s\n", problem);
    cli->exit_code = problem ? 1 : result ? atoi(result) : 0;
    vm_retire(cli->vm, 0, on_vm_gone, cli);
}

int cli_main(const struct conf *conf, const char *root, int argc, char **argv)
{
    static uv_loop_t loop;
    static struct cli cli;
    signal(SIGPIPE, SIG_IGN);
    log_init((enum log_level)log_level_parse(conf_str(conf, "log.level")), false,
             "fixxit");
    if (conf_bool(conf, "lua.collect_always"))
        vm_collect_always();
    uv_loop_init(&loop);
    cli.host = (struct host){
        .loop = &loop,
        .conf = conf,
        .role = "cli",
        .index = 1,
        .argc = argc,
        .argv = argv,
    };
    cli.host.work = work_new(&loop, 0, NULL);
    cli.host.db = db_pool_new(&loop, conf);
    cli.host.redis = redis_new(&loop, conf);
    cli.host.image = image_client_new(&cli.host);
    cli.host.sandbox = sandbox_client_new(&cli.host);
    cli.host.http_client = http_client_new(&loop);
    cli.host.smtp = smtp_new(&loop);
    cli.host.limits = limits_new(1000);
    cli.host.metrics = metrics_new(1000);
    cli.host.counters = counters_take(-1);
    cli.vm = cli.host.vm = vm_new(&cli.host, root);
    vm_run(cli.vm, "core.cli", "main", NULL, on_done, &cli);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    limits_free(cli.host.limits);
    metrics_free(cli.host.metrics);
    counters_free(cli.host.counters);
    log_stop();
    return cli.exit_code;
}
