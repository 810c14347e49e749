#include "sandbox_release.h"
#include "mem.h"
#include <stdlib.h>

struct sandbox_release *sandbox_release_find(struct sandbox_releases *releases,
                                             uint64_t id)
{
    for (struct sandbox_release *release = releases->first; release;
         release = release->next)
        if (release->id == id && !release->dropped) {
            release->used = ++releases->clock;
            return release;
        }
    return NULL;
}

static void remove_release(struct sandbox_releases *releases,
                           struct sandbox_release *release)
{
    struct sandbox_release **at = &releases->first;
    while (*at != release)
        at = &(*at)->next;
    *at = release->next;
    sandbox_vm_free(release->vm);
    buf_free(&release->declared);
    free(release);
}

void sandbox_release_use(struct sandbox_releases *releases,
                         struct sandbox_release *release)
{
    release->used = ++releases->clock;
    release->runs++;
}

void sandbox_release_done(struct sandbox_releases *releases,
                          struct sandbox_release *release)
{
    if (--release->runs == 0 && release->dropped)
        remove_release(releases, release);
}

static void drop(struct sandbox_releases *releases, struct sandbox_release *release)
{
    release->dropped = true;
    if (!release->runs)
        remove_release(releases, release);
}

void sandbox_release_drop(struct sandbox_releases *releases, uint64_t id)
{
    struct sandbox_release *release = sandbox_release_find(releases, id);
    if (release)
        drop(releases, release);
}

static struct sandbox_release *largest(const struct sandbox_releases *releases)
{
    struct sandbox_release *found = NULL;
    for (struct sandbox_release *release = releases->first; release;
         release = release->next)
        if (!release->dropped &&
            (!found || sandbox_vm_held(release->vm) > sandbox_vm_held(found->vm)))
            found = release;
    return found;
}

void sandbox_releases_relieve(struct sandbox_releases *releases)
{
    struct sandbox_release *release;
    if (sandbox_is_full(&releases->memory) && (release = largest(releases)))
        drop(releases, release);
}

/* Of those in which no run is open, the one unused for longest; `count` is of all of those. */
static struct sandbox_release *oldest_idle(struct sandbox_releases *releases, int *count)
{
    struct sandbox_release *oldest = NULL;
    *count = 0;
    for (struct sandbox_release *release = releases->first; release;
         release = release->next) {
        if (release->runs)
            continue;
        ++*count;
        if (!oldest || release->used < oldest->used)
            oldest = release;
    }
    return oldest;
}

/* They share the memory, and what nobody uses must not be in the way of what is loaded: `kept` at
 * most, and none while more than half is in use. */
static void make_room(struct sandbox_releases *releases, int kept)
{
    struct sandbox_release *oldest;
    int count;
    while ((oldest = oldest_idle(releases, &count)) &&
           (count > kept || releases->memory.used > releases->memory.max / 2))
        remove_release(releases, oldest);
}

void sandbox_loading_free(struct sandbox_loading *loading)
{
    if (loading->there)
        sandbox_release_done(loading->releases, loading->there);
    sandbox_vm_free(loading->vm);
    buf_free(&loading->problem);
    *loading = (struct sandbox_loading){0};
}

void sandbox_loading_begin(struct sandbox_loading *loading,
                           struct sandbox_releases *releases, uint64_t id)
{
    sandbox_loading_free(loading);
    loading->id = id;
    loading->releases = releases;
    loading->there = sandbox_release_find(releases, id);
    if (loading->there) {
        sandbox_release_use(releases, loading->there);
        return;
    }
    make_room(releases, SANDBOX_RELEASES_MAX - 1);
    loading->vm = sandbox_vm_new(&releases->memory);
    if (!loading->vm)
        buf_puts(&loading->problem,
                 "{\"code\":\"LIMIT_MEMORY\",\"message\":\"limit: memory\"}");
}

static void fail(struct sandbox_loading *loading)
{
    sandbox_vm_free(loading->vm);
    loading->vm = NULL;
}

void sandbox_loading_add(struct sandbox_loading *loading, const char *name,
                         const char *text, size_t len, bool prelude)
{
    if (!loading->vm)
        return;
    make_room(loading->releases, SANDBOX_RELEASES_MAX);
    if (sandbox_vm_load(loading->vm, name, text, len, prelude, &loading->problem) < 0)
        fail(loading);
}

/* What was loaded becomes a release, unless another connection was faster. */
static struct sandbox_release *keep(struct sandbox_loading *loading)
{
    struct sandbox_releases *releases = loading->releases;
    struct sandbox_release *release = sandbox_release_find(releases, loading->id);
    struct buf declared = {0};
    if (release || !loading->vm)
        return release;
    if (sandbox_vm_declared(loading->vm, &declared, &loading->problem) < 0) {
        buf_free(&declared);
        fail(loading);
        return NULL;
    }
    release = mem_new(sizeof(*release));
    *release = (struct sandbox_release){.id = loading->id,
                                        .vm = loading->vm,
                                        .declared = declared,
                                        .used = ++releases->clock,
                                        .next = releases->first};
    releases->first = release;
    loading->vm = NULL;
    /* What compiling it took is as much as what it is, and most processes do little for long. */
    sandbox_vm_settle(release->vm);
    return release;
}

bool sandbox_loading_end(struct sandbox_loading *loading, const struct buf **text)
{
    struct sandbox_release *release = loading->there ? loading->there : keep(loading);
    *text = release ? &release->declared : &loading->problem;
    return release != NULL;
}
