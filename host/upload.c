/* Disk work is a queue of steps (open, write, close). All steps that wait go to the pool
 * as one job; while it runs new ones gather, so there is at most one job per upload, the
 * order is kept and a small file costs one trip. The job alone touches fd and digest of a
 * file.
 *
 * `waiting` counts the bytes that are not on disk; it drives the back-pressure. */
#include "upload.h"
#include "buf.h"
#include "mem.h"
#include "multipart.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    FULL_BYTES = 256 * 1024,
    LOW_BYTES = 128 * 1024,
    STEP_BYTES = 64 * 1024, /* small pieces are gathered up to this */
};

struct file {
    struct upload_file info;
    int fd;
    EVP_MD_CTX *digest;
    bool created, kept;
};

enum step_kind { STEP_OPEN, STEP_WRITE, STEP_CLOSE };

struct step {
    struct step *next;
    enum step_kind kind;
    struct file *file;
    struct buf data;
};

struct upload {
    uv_loop_t *loop;
    uv_work_t work;
    bool working;            /* the job is in the pool */
    bool finished, reported; /* upload_finish was called; `done` ran */
    bool is_full, dead;
    int error; /* errno of the job */
    struct upload_limits limits;
    char *dir;
    const struct upload_events *events;
    void *arg;
    struct multipart *multipart;
    uint64_t fed, fed_max;
    uint64_t text_bytes; /* of all fields so far */
    size_t waiting;
    struct step *first, *last; /* to come */
    struct step *batch;        /* the job's */
    struct file **files;
    size_t file_count;
    struct upload_field *fields;
    size_t field_count;
    /* The part under way. */
    uint64_t file_bytes;
    struct buf value;
    char *name, *filename, *type;
    struct file *file; /* NULL for a field, and for a file without a byte or a name yet */
};

static void step_free(struct step *step)
{
    buf_free(&step->data);
    free(step);
}

/* ---- In the pool ---- */

static int open_file(struct file *file)
{
    file->fd =
        open(file->info.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file->fd < 0)
        return errno;
    file->created = true;
    file->digest = EVP_MD_CTX_new();
    return file->digest && EVP_DigestInit_ex(file->digest, EVP_sha256(), NULL) ? 0
                                                                               : ENOMEM;
}

static int write_file(struct file *file, const char *data, size_t len)
{
    if (!EVP_DigestUpdate(file->digest, data, len))
        return EIO;
    while (len) {
        ssize_t done = write(file->fd, data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        data += done;
        len -= (size_t)done;
        file->info.size += (uint64_t)done;
    }
    return 0;
}

static int close_file(struct file *file)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!EVP_DigestFinal_ex(file->digest, hash, &len))
        return EIO;
    for (unsigned i = 0; i < len; i++)
        snprintf(file->info.sha256 + 2 * i, 3, "%02x", hash[i]);
    int fd = file->fd;
    file->fd = -1;
    return close(fd) < 0 ? errno : 0;
}

static void work_steps(uv_work_t *work)
{
    struct upload *upload = work->data;
    for (struct step *step = upload->batch; step && !upload->error; step = step->next) {
        if (step->kind == STEP_OPEN)
            upload->error = open_file(step->file);
        else if (step->kind == STEP_WRITE)
            upload->error = write_file(step->file, step->data.data, step->data.len);
        else
            upload->error = close_file(step->file);
    }
}

static void work_clean(uv_work_t *work)
{
    struct upload *upload = work->data;
    for (size_t i = 0; i < upload->file_count; i++) {
        struct file *file = upload->files[i];
        if (file->fd >= 0)
            close(file->fd);
        if (file->created && !file->kept)
            unlink(file->info.path); /* ENOENT: renamed away, which is fine */
        EVP_MD_CTX_free(file->digest);
    }
}

/* ---- On the loop ---- */

static void after_clean(uv_work_t *work, int status)
{
    (void)status;
    struct upload *upload = work->data;
    for (size_t i = 0; i < upload->file_count; i++) {
        struct upload_file *info = &upload->files[i]->info;
        free(info->name);
        free(info->filename);
        free(info->type);
        free(info->path);
        free(upload->files[i]);
    }
    free(upload->files);
    free(upload->dir);
    free(upload);
}

static void clean(struct upload *upload)
{
    if (!upload->file_count ||
        uv_queue_work(upload->loop, &upload->work, work_clean, after_clean) < 0) {
        work_clean(&upload->work);
        after_clean(&upload->work, 0);
    }
}

static void report(struct upload *upload, int number)
{
    struct err err;
    if (upload->reported)
        return;
    upload->reported = true;
    if (number)
        err_errno(&err, number, "upload");
    upload->events->done(upload->arg, number ? &err : NULL);
}

static void after_steps(uv_work_t *work, int status);

/* Sends the steps that wait to the pool. */
static void submit(struct upload *upload)
{
    if (upload->working || !upload->first)
        return;
    upload->batch = upload->first;
    upload->first = upload->last = NULL;
    upload->working = true;
    if (uv_queue_work(upload->loop, &upload->work, work_steps, after_steps) < 0)
        abort(); /* only for a missing callback */
}

static void after_steps(uv_work_t *work, int status)
{
    struct upload *upload = work->data;
    upload->working = false;
    while (upload->batch) {
        struct step *step = upload->batch;
        upload->batch = step->next;
        upload->waiting -= step->data.len;
        step_free(step);
    }
    if (upload->dead) {
        clean(upload);
        return;
    }
    if (status < 0 || upload->error) {
        report(upload, upload->error ? upload->error : ECANCELED);
        return;
    }
    submit(upload);
    if (upload->is_full && upload->waiting < LOW_BYTES) {
        upload->is_full = false;
        upload->events->full(upload->arg, false);
    }
    if (upload->finished && !upload->working)
        report(upload, 0);
}

static struct step *add_step(struct upload *upload, enum step_kind kind,
                             struct file *file)
{
    struct step *step = mem_new(sizeof(*step));
    step->kind = kind;
    step->file = file;
    if (upload->last)
        upload->last->next = step;
    else
        upload->first = step;
    upload->last = step;
    return step;
}

static void add_data(struct upload *upload, struct file *file, const char *data,
                     size_t len)
{
    struct step *step = upload->last;
    if (!step || step->kind != STEP_WRITE || step->file != file ||
        step->data.len + len > STEP_BYTES)
        step = add_step(upload, STEP_WRITE, file);
    buf_append(&step->data, data, len);
    upload->waiting += len;
}

static char *random_path(const char *dir)
{
    unsigned char bytes[16];
    struct buf path = {0};
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        abort(); /* cannot fail for 256 bytes and fewer */
    buf_puts(&path, dir);
    buf_puts(&path, "/upload-");
    for (size_t i = 0; i < sizeof(bytes); i++)
        buf_printf(&path, "%02x", bytes[i]);
    buf_cstr(&path);
    return path.data;
}

static int open_part(struct upload *upload, struct err *err)
{
    if (upload->file_count >= upload->limits.max_files)
        return err_set(err, "TOO_MANY", "at most %u files are accepted",
                       upload->limits.max_files);
    struct file *file = mem_new(sizeof(*file));
    file->fd = -1;
    file->info.name = mem_strdup(upload->name);
    file->info.filename = mem_strdup(upload->filename);
    file->info.type = mem_strdup(upload->type);
    file->info.path = random_path(upload->dir);
    upload->files =
        mem_resize(upload->files, (upload->file_count + 1) * sizeof(struct file *));
    upload->files[upload->file_count++] = file;
    upload->file = file;
    add_step(upload, STEP_OPEN, file);
    return 0;
}

static void clear_part(struct upload *upload)
{
    free(upload->name);
    free(upload->filename);
    free(upload->type);
    upload->name = upload->filename = upload->type = NULL;
    upload->file = NULL;
}

static int on_begin(void *arg, const struct multipart_part *part, struct err *err)
{
    struct upload *upload = arg;
    clear_part(upload);
    upload->name = mem_strdup(part->name);
    upload->filename = part->filename ? mem_strdup(part->filename) : NULL;
    upload->type = mem_strdup(part->type);
    upload->value.len = 0;
    upload->file_bytes = 0;
    if (part->filename)
        return *part->filename ? open_part(upload, err) : 0;
    if (upload->field_count >= upload->limits.max_fields)
        return err_set(err, "TOO_MANY", "at most %u fields are accepted",
                       upload->limits.max_fields);
    return 0;
}

static int on_data(void *arg, const char *data, size_t len, struct err *err)
{
    struct upload *upload = arg;
    if (!upload->filename) {
        upload->text_bytes += len;
        if (upload->text_bytes > upload->limits.max_text)
            return err_set(err, ERR_TOO_LARGE, "the fields are larger than %zu bytes",
                           upload->limits.max_text);
        buf_append(&upload->value, data, len);
        return 0;
    }
    upload->file_bytes += len;
    if (upload->file_bytes > upload->limits.max_file)
        return err_set(err, ERR_TOO_LARGE, "a file is larger than %llu bytes",
                       (unsigned long long)upload->limits.max_file);
    if (!upload->file && open_part(upload, err) < 0) /* bytes, yet no name */
        return -1;
    add_data(upload, upload->file, data, len);
    return 0;
}

/* A form's file input that was left empty comes as a part without name and bytes: no
 * file. */
static int on_end(void *arg, struct err *err)
{
    (void)err;
    struct upload *upload = arg;
    if (upload->file) {
        add_step(upload, STEP_CLOSE, upload->file);
    } else if (!upload->filename) {
        upload->fields = mem_resize(upload->fields, (upload->field_count + 1) *
                                                        sizeof(struct upload_field));
        buf_cstr(&upload->value);
        upload->fields[upload->field_count++] = (struct upload_field){
            mem_strdup(upload->name), upload->value.data, upload->value.len};
        upload->value = (struct buf){0};
    }
    clear_part(upload);
    return 0;
}

static const struct multipart_events parts = {on_begin, on_data, on_end};

struct upload *upload_new(uv_loop_t *loop, const char *boundary,
                          const struct upload_limits *limits,
                          const struct upload_events *events, void *arg)
{
    struct upload *upload = mem_new(sizeof(*upload));
    upload->loop = loop;
    upload->work.data = upload;
    upload->limits = *limits;
    upload->limits.dir = upload->dir = mem_strdup(limits->dir);
    upload->events = events;
    upload->arg = arg;
    upload->multipart = multipart_new(boundary, &parts, upload);
    upload->fed_max =
        limits->max_files * limits->max_file + limits->max_text +
        ((uint64_t)limits->max_files + limits->max_fields + 2) * MULTIPART_HEADERS_MAX;
    return upload;
}

int upload_feed(struct upload *upload, const char *data, size_t len, struct err *err)
{
    upload->fed += len;
    if (upload->fed > upload->fed_max)
        return err_set(err, ERR_TOO_LARGE,
                       "the form is larger than all its parts may be");
    int rc = multipart_feed(upload->multipart, data, len, err);
    if (rc < 0)
        return rc;
    submit(upload);
    if (!upload->is_full && upload->waiting > FULL_BYTES) {
        upload->is_full = true;
        upload->events->full(upload->arg, true);
    }
    return 0;
}

int upload_finish(struct upload *upload, struct err *err)
{
    if (multipart_finish(upload->multipart, err) < 0)
        return -1;
    upload->finished = true;
    if (!upload->working)
        report(upload, 0);
    return 0;
}

const char *upload_error_part(const struct upload *upload)
{
    return upload->name;
}

const struct upload_field *upload_field_at(const struct upload *upload, size_t index)
{
    return index < upload->field_count ? &upload->fields[index] : NULL;
}

const struct upload_file *upload_file_at(const struct upload *upload, size_t index)
{
    return index < upload->file_count ? &upload->files[index]->info : NULL;
}

bool upload_keep(struct upload *upload, const char *path)
{
    for (size_t i = 0; i < upload->file_count; i++)
        if (strcmp(upload->files[i]->info.path, path) == 0) {
            upload->files[i]->kept = true;
            return true;
        }
    return false;
}

void upload_free(struct upload *upload)
{
    if (!upload)
        return;
    multipart_free(upload->multipart);
    clear_part(upload);
    buf_free(&upload->value);
    for (size_t i = 0; i < upload->field_count; i++) {
        free(upload->fields[i].name);
        free(upload->fields[i].value);
    }
    free(upload->fields);
    while (upload->first) {
        struct step *step = upload->first;
        upload->first = step->next;
        step_free(step);
    }
    upload->dead = true;
    if (!upload->working)
        clean(upload);
}
