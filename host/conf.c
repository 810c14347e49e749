#include "conf.h"
#include "mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `text` holds the pairs, `index` points at the keys in it, sorted for bsearch. */
struct conf {
    char *text;
    const char **index;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct conf *conf_parse(const char *data, size_t len)
{
    struct conf *conf = mem_new(sizeof(*conf));
    conf->text = mem_copy(data, len);
    const char *end = conf->text + len;
    for (const char *key = conf->text; key < end;) {
        conf->index = mem_resize(conf->index, (conf->count + 1) * sizeof(*conf->index));
        conf->index[conf->count++] = key;
        const char *value = key + strlen(key) + 1;
        key = value < end ? value + strlen(value) + 1 : end;
    }
    if (conf->count)
        qsort(conf->index, conf->count, sizeof(*conf->index), compare);
    return conf;
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    free(conf->text);
    free(conf->index);
    free(conf);
}

const char *conf_str(const struct conf *conf, const char *key)
{
    const char **found = conf->count ? bsearch(&key, conf->index, conf->count,
                                               sizeof(*conf->index), compare)
                                     : NULL;
    if (!found) {
        fprintf(stderr, "fixxit: config/default.lua has no key '%s'\n", key);
        abort();
    }
    return *found + strlen(*found) + 1;
}

int64_t conf_int(const struct conf *conf, const char *key)
{
    return strtoll(conf_str(conf, key), NULL, 10);
}

bool conf_bool(const struct conf *conf, const char *key)
{
    return strcmp(conf_str(conf, key), "true") == 0;
}
