/* bare.c - the floor of the database: libmariadb in a loop and nothing around it.
 *
 *   bare SOCKET DATABASE FILE SECONDS
 *
 * FILE holds the statements of one request, a line each, with their values. They are prepared
 * once and then executed in order, again and again on one connection, every row fetched. Prints
 *   requests=N seconds=S cpu_us=C p50_us=A p99_us=B
 * where cpu_us is this process's own for one round of all statements. */
#include <mysql.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { STATEMENTS_MAX = 32, COLUMNS_MAX = 64, CELL_MAX = 8192, LATENCIES_MAX = 1 << 20 };

static MYSQL *db;
static MYSQL_STMT *statements[STATEMENTS_MAX];
static int statement_count;
static char cells[COLUMNS_MAX][CELL_MAX];
static unsigned long lengths[COLUMNS_MAX];
static char nulls[COLUMNS_MAX];
static float latencies[LATENCIES_MAX];

static void die(const char *what)
{
    fprintf(stderr, "bare: %s: %s\n", what, db ? mysql_error(db) : "");
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void prepare(const char *sql, size_t len)
{
    if (statement_count == STATEMENTS_MAX)
        die("too many statements");
    MYSQL_STMT *statement = mysql_stmt_init(db);
    if (mysql_stmt_prepare(statement, sql, len) != 0)
        die(mysql_stmt_error(statement));
    statements[statement_count++] = statement;
}

static void read_statements(const char *path)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    FILE *file = fopen(path, "r");
    if (!file)
        die(path);
    while ((len = getline(&line, &size, file)) > 0) {
        while (len > 0 && line[len - 1] == '\n')
            len--;
        if (len > 0)
            prepare(line, (size_t)len);
    }
    free(line);
    fclose(file);
}

static void run(MYSQL_STMT *statement)
{
    MYSQL_BIND binds[COLUMNS_MAX];
    if (mysql_stmt_execute(statement) != 0)
        die(mysql_stmt_error(statement));
    unsigned columns = mysql_stmt_field_count(statement);
    if (columns == 0)
        return;
    if (columns > COLUMNS_MAX)
        die("too many columns");
    memset(binds, 0, sizeof(binds));
    for (unsigned i = 0; i < columns; i++) {
        binds[i].buffer_type = MYSQL_TYPE_STRING;
        binds[i].buffer = cells[i];
        binds[i].buffer_length = CELL_MAX;
        binds[i].length = &lengths[i];
        binds[i].is_null = &nulls[i];
    }
    if (mysql_stmt_bind_result(statement, binds) != 0 ||
        mysql_stmt_store_result(statement) != 0)
        die(mysql_stmt_error(statement));
    while (mysql_stmt_fetch(statement) == 0)
        ;
    mysql_stmt_free_result(statement);
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: bare SOCKET DATABASE FILE SECONDS\n", stderr);
        return 2;
    }
    db = mysql_init(NULL);
    mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (!mysql_real_connect(db, NULL, "root", NULL, argv[2], 0, argv[1], 0))
        die("connect");
    read_statements(argv[3]);
    double began = now_us(), cpu = cpu_us(), end = began + atof(argv[4]) * 1e6,
           last = began;
    size_t requests = 0;
    while (last < end && requests < LATENCIES_MAX) {
        for (int i = 0; i < statement_count; i++)
            run(statements[i]);
        double now = now_us();
        latencies[requests++] = (float)(now - last);
        last = now;
    }
    qsort(latencies, requests, sizeof(latencies[0]), by_size);
    printf("requests=%zu seconds=%.3f cpu_us=%.2f p50_us=%.0f p99_us=%.0f\n", requests,
           (last - began) / 1e6, (cpu_us() - cpu) / (double)requests,
           (double)latencies[requests / 2], (double)latencies[requests * 99 / 100]);
    return 0;
}
