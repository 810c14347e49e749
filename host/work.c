/* Two lists under one lock: jobs that wait, and jobs that ran. A thread takes the oldest
 * of the first, runs it without the lock, appends it to the second and wakes the loop,
 * which calls `done`. `pending` belongs to the loop thread: it counts what was accepted
 * and not yet done, and while it is not 0 the async handle holds the loop open. */
#include "work.h"
#include "mem.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NICENESS = 5 };

struct job {
    struct job *next;
    work_run_cb run;
    work_done_cb done;
    void *arg;
    int place; /* before the turnstile, if there is one */
};

struct queue {
    struct job *first, **last; /* `last` is where the next one goes */
};

struct work {
    uv_async_t wake;
    pthread_mutex_t lock; /* guards the queues, `waiting` and `stopping` */
    pthread_cond_t more;
    struct queue todo, ran;
    unsigned waiting; /* in todo */
    bool stopping;
    unsigned pending;            /* loop thread only */
    struct turnstile *turnstile; /* or NULL */
    unsigned threads;
    pthread_t thread[];
};

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void queue_put(struct queue *queue, struct job *job)
{
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
}

static struct job *queue_take(struct queue *queue)
{
    struct job *job = queue->first;
    if (job && !(queue->first = job->next))
        queue->last = &queue->first;
    return job;
}

static void *run_thread(void *arg)
{
    struct work *work = arg;
    /* On Linux this is the priority of the calling thread alone. Best effort. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    pthread_mutex_lock(&work->lock);
    while (!work->stopping) {
        struct job *job = queue_take(&work->todo);
        if (!job) {
            pthread_cond_wait(&work->more, &work->lock);
            continue;
        }
        work->waiting--;
        pthread_mutex_unlock(&work->lock);
        if (work->turnstile)
            turnstile_enter(work->turnstile, job->place);
        job->run(job->arg);
        if (work->turnstile)
            turnstile_leave(work->turnstile);
        pthread_mutex_lock(&work->lock);
        queue_put(&work->ran, job);
        uv_async_send(&work->wake);
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

/* Takes the whole list first: `done` may submit more. */
static void finish(struct work *work, struct queue *queue, bool ran)
{
    pthread_mutex_lock(&work->lock);
    struct job *job = queue->first;
    queue_init(queue);
    pthread_mutex_unlock(&work->lock);
    while (job) {
        struct job *next = job->next;
        if (--work->pending == 0)
            uv_unref((uv_handle_t *)&work->wake);
        if (!ran && work->turnstile)
            turnstile_forgo(work->turnstile, job->place);
        job->done(job->arg, ran);
        free(job);
        job = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    struct work *work = wake->data;
    finish(work, &work->ran, true);
}

static void on_closed(uv_handle_t *handle)
{
    struct work *work = handle->data;
    pthread_cond_destroy(&work->more);
    pthread_mutex_destroy(&work->lock);
    free(work);
}

static void start_threads(struct work *work)
{
    /* Signals are the loop thread's: new threads inherit the mask. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < work->threads; i++)
        if (pthread_create(&work->thread[i], NULL, run_thread, work) != 0)
            abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct work *work_new(uv_loop_t *loop, unsigned threads, struct turnstile *turnstile)
{
    unsigned processors = uv_available_parallelism();
    if (threads == 0)
        threads = processors > 1 ? processors - 1 : 1;
    struct work *work = mem_new(sizeof(*work) + threads * sizeof(work->thread[0]));
    work->threads = threads;
    work->turnstile = turnstile;
    work->wake.data = work;
    queue_init(&work->todo);
    queue_init(&work->ran);
    pthread_mutex_init(&work->lock, NULL);
    pthread_cond_init(&work->more, NULL);
    if (uv_async_init(loop, &work->wake, on_wake) < 0)
        abort();
    uv_unref((uv_handle_t *)&work->wake);
    start_threads(work);
    return work;
}

int work_submit(struct work *work, work_run_cb run, work_done_cb done, void *arg,
                struct err *err)
{
    int place = work->turnstile ? turnstile_queue(work->turnstile, err) : 0;
    if (place < 0)
        return -1;
    pthread_mutex_lock(&work->lock);
    bool accepted = work->waiting < WORK_QUEUE && !work->stopping;
    if (accepted) {
        struct job *job = mem_new(sizeof(*job));
        *job = (struct job){.run = run, .done = done, .arg = arg, .place = place};
        queue_put(&work->todo, job);
        work->waiting++;
        pthread_cond_signal(&work->more);
    }
    pthread_mutex_unlock(&work->lock);
    if (!accepted) {
        if (work->turnstile)
            turnstile_forgo(work->turnstile, place);
        return err_set(err, ERR_BUSY, "too much work waiting");
    }
    if (work->pending++ == 0)
        uv_ref((uv_handle_t *)&work->wake);
    return 0;
}

void work_free(struct work *work)
{
    pthread_mutex_lock(&work->lock);
    work->stopping = true;
    pthread_cond_broadcast(&work->more);
    pthread_mutex_unlock(&work->lock);
    for (unsigned i = 0; i < work->threads; i++)
        pthread_join(work->thread[i], NULL);
    finish(work, &work->ran, true);
    finish(work, &work->todo, false);
    uv_close((uv_handle_t *)&work->wake, on_closed);
}

unsigned work_pending(const struct work *work)
{
    return work->pending;
}
