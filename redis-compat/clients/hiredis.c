/* hiredis doing a day's work: `hiredis HOST PORT`. Prints what redis-compat/clients.rs reads. */

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *host;
static int port;
static char why[256];

static redisContext *connect_or_die(void) {
    struct timeval limit = {10, 0};
    redisContext *c = redisConnectWithTimeout(host, port, limit);
    if (c == NULL || c->err) {
        fprintf(stderr, "cannot connect: %s\n", c ? c->errstr : "no memory");
        exit(2);
    }
    redisSetTimeout(c, limit);
    return c;
}

/* Compares a reply with `type` and, where they mean something, its text and integer; frees it. */
static int is(redisContext *c, redisReply *r, int type, const char *text, long long integer) {
    int same = r != NULL && r->type == type && (type != REDIS_REPLY_INTEGER || r->integer == integer) &&
               (text == NULL || (r->str != NULL && strncmp(r->str, text, strlen(text)) == 0));
    if (!same)
        snprintf(why, sizeof why, "type %d, text %s, integer %lld, error %s", r ? r->type : 0,
                 r && r->str ? r->str : "-", r ? r->integer : 0, c->errstr);
    if (r != NULL) freeReplyObject(r);
    return same;
}

#define STATUS(c, text, ...) is(c, redisCommand(c, __VA_ARGS__), REDIS_REPLY_STATUS, text, 0)
#define STRING(c, text, ...) is(c, redisCommand(c, __VA_ARGS__), REDIS_REPLY_STRING, text, 0)
#define INTEGER(c, number, ...) is(c, redisCommand(c, __VA_ARGS__), REDIS_REPLY_INTEGER, NULL, number)
#define NOTHING(c, ...) is(c, redisCommand(c, __VA_ARGS__), REDIS_REPLY_NIL, NULL, 0)
#define ERROR(c, text, ...) is(c, redisCommand(c, __VA_ARGS__), REDIS_REPLY_ERROR, text, 0)

static int strings(redisContext *c) {
    return STATUS(c, "PONG", "PING") && STATUS(c, "OK", "SET k v") && STRING(c, "v", "GET k") &&
           NOTHING(c, "GET none") && NOTHING(c, "SET k w NX") && INTEGER(c, 6, "INCRBY n 6") &&
           INTEGER(c, 2, "APPEND k x") && STRING(c, "vx", "GETDEL k") && INTEGER(c, 1, "DEL n none") &&
           INTEGER(c, -2, "TTL k");
}

static int binary_values(redisContext *c) {
    size_t size = 20 << 20;
    char *value = malloc(size);
    for (size_t i = 0; i < size; i++) value[i] = (char)i;
    int set = STATUS(c, "OK", "SET %b %b", "\0\xff\r\n", (size_t)4, value, size);
    redisReply *r = redisCommand(c, "GET %b", "\0\xff\r\n", (size_t)4);
    int same = set && r != NULL && r->type == REDIS_REPLY_STRING && r->len == size && memcmp(r->str, value, size) == 0;
    if (set && !same) snprintf(why, sizeof why, "20 MiB do not come back whole");
    if (r != NULL) freeReplyObject(r);
    free(value);
    return same;
}

static int pipelined(redisContext *c) {
    for (int n = 0; n < 10000; n++) redisAppendCommand(c, "INCR n");
    for (int n = 1; n <= 10000; n++) {
        void *reply = NULL;
        if (redisGetReply(c, &reply) != REDIS_OK || !is(c, reply, REDIS_REPLY_INTEGER, NULL, n)) return 0;
    }
    return 1;
}

static int transaction(redisContext *c) {
    if (!(STATUS(c, "OK", "MULTI") && STATUS(c, "QUEUED", "SET k 1") && STATUS(c, "QUEUED", "INCR k"))) return 0;
    redisReply *r = redisCommand(c, "EXEC");
    int done = r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[1]->integer == 2;
    if (!done) snprintf(why, sizeof why, "EXEC");
    if (r != NULL) freeReplyObject(r);
    return done;
}

static int errors(redisContext *c) {
    return STATUS(c, "OK", "SET s text") && ERROR(c, "ERR value is not an integer or out of range", "INCR s") &&
           ERROR(c, "ERR unknown command 'NONSENSE'", "NONSENSE a") && STRING(c, "text", "GET s");
}

static int databases_and_names(redisContext *c) {
    return STATUS(c, "OK", "SET k zero") && STATUS(c, "OK", "SELECT 5") && NOTHING(c, "GET k") &&
           STATUS(c, "OK", "SELECT 0") && STRING(c, "zero", "GET k") &&
           STATUS(c, "OK", "CLIENT SETNAME worker-7") && STRING(c, "worker-7", "CLIENT GETNAME");
}

static int reconnects(redisContext *c) {
    redisContext *victim = connect_or_die();
    redisReply *id = redisCommand(victim, "CLIENT ID");
    int killed = id != NULL && INTEGER(c, 1, "CLIENT KILL ID %lld", id->integer);
    if (id != NULL) freeReplyObject(id);
    redisReply *none = redisCommand(victim, "PING");
    /* The end, or a reset where PING was on its way. */
    int closed = killed && none == NULL && (victim->err == REDIS_ERR_EOF || victim->err == REDIS_ERR_IO);
    if (killed && !closed) snprintf(why, sizeof why, "not closed: %s", victim->errstr);
    if (none != NULL) freeReplyObject(none);
    int again = closed && redisReconnect(victim) == REDIS_OK && STATUS(victim, "PONG", "PING");
    redisFree(victim);
    return again;
}

static int fill(redisContext *c) {
    redisReply *lead = redisCommand(c, "FILL.GET page WAIT 200");
    int led = lead != NULL && lead->elements == 4 && strcmp(lead->element[0]->str, "LEAD") == 0 &&
              lead->element[1]->type == REDIS_REPLY_NIL && lead->element[3]->integer > 0;
    if (!led) snprintf(why, sizeof why, "no lease");
    int put = led && STATUS(c, "OK", "FILL.PUT page %s made EX 100", lead->element[2]->str) &&
              STATUS(c, "DUP", "FILL.PUT page %s made EX 100", lead->element[2]->str);
    if (lead != NULL) freeReplyObject(lead);
    redisReply *hit = redisCommand(c, "FILL.GET page");
    int same = put && hit != NULL && hit->elements == 4 && strcmp(hit->element[0]->str, "HIT") == 0 &&
               strcmp(hit->element[1]->str, "made") == 0 && hit->element[2]->type == REDIS_REPLY_NIL;
    if (put && !same) snprintf(why, sizeof why, "no hit");
    if (hit != NULL) freeReplyObject(hit);
    return same;
}

static const struct {
    const char *name;
    int (*run)(redisContext *);
} checks[] = {
    {"strings", strings},
    {"binary_values", binary_values},
    {"pipelined", pipelined},
    {"transaction", transaction},
    {"errors", errors},
    {"databases_and_names", databases_and_names},
    {"reconnects", reconnects},
    {"fill", fill},
};

int main(int count, char **words) {
    if (count != 3) return 2;
    host = words[1];
    port = atoi(words[2]);
    int passed = 0, failed = 0;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        redisContext *c = connect_or_die();
        if (STATUS(c, "OK", "FLUSHALL") && checks[i].run(c)) {
            passed++;
            printf("ok %s\n", checks[i].name);
        } else {
            failed++;
            printf("FAIL %s: %s\n", checks[i].name, why);
        }
        redisFree(c);
    }
    printf("report hiredis %d.%d.%d %d %d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH, passed, failed);
    return failed ? 1 : 0;
}
