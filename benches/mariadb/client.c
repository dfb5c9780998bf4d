// Sends the statements of one operation to MariaDB, again and again, through its own C library: what pgbench does on PostgreSQL.
//
//     client SCRIPT
//
// SCRIPT has a line for each thing, a word and then its value:
//
//     host, port, user, database   where to connect to
//     threads, seconds             how many connections, and for how long
//     times                        instead of `seconds`, how often on each connection
//     accounts, customers, hot     how many there are, and the number of the customer that everybody pays (-1: anybody)
//     first_id, first_prefix, prefixes, last, lines, page, n, now    what values are made of
//     q TEXT                       a text that is sent as it is, with {random} for 32 random hexadecimal digits and {} for a literal
//     s TEXT                       a prepared statement
//                                  the parameters of both follow, a line each:
//     p null | text T | code V | number V | account V | page N | entry | now
//
// Of a SELECT with the columns `version`, `credits_posted` and `debits_posted`, it keeps these for the statements behind it. A conflict
// (1020, 1205, 1213) is sent again from the beginning. It says `answered N`, `again N` and `elapsed NANOSECONDS`, and then the
// nanoseconds of one operation in ten, a line each.
#include <errmsg.h>
#include <inttypes.h>
#include <mysql.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS = 40, PARAMETERS = 200, COLUMNS = 64, WIDTH = 512, NAME = 32, LONGEST = 16384 };

enum kind { IS_NULL, TEXT, CODE, NUMBER, ACCOUNT, PAGE, ENTRY, NOW };

struct parameter {
    enum kind kind;
    char word[NAME];
    int64_t place;
};

struct step {
    bool is_prepared;
    char *text;
    int parameters;
    struct parameter parameter[PARAMETERS];
};

// What one operation works with.
struct operation {
    int64_t account, prefix, entry, debit, credit;
    int64_t debit_version, debit_balance, credit_version, credit_balance;
};

static struct {
    char host[64], user[64], database[64], now[40];
    int64_t port, threads, seconds, times, accounts, customers, hot;
    int64_t first_id, first_prefix, prefixes, last, lines, page, n;
    int steps;
    struct step step[STEPS];
} script;

struct thread {
    pthread_t id;
    uint64_t random;
    int64_t number, answered, again;
    int64_t *latencies;
    size_t kept, room;
};

struct statement {
    MYSQL_STMT *handle;
    int columns;
    MYSQL_BIND result[COLUMNS];
    char text[COLUMNS][WIDTH];
    int64_t number[COLUMNS];
    // Where `version`, `credits_posted` and `debits_posted` are, or -1.
    int version, credits, debits;
};

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// xorshift64*: https://doi.org/10.18637/jss.v008.i14 with the multiplier of https://arxiv.org/abs/1402.6246
static uint64_t draw(uint64_t *state, int64_t below) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(2685821657736338717) >> 11) % (uint64_t)below;
}

static struct operation begin(struct thread *thread) {
    struct operation one = {0};
    int64_t credit = script.hot >= 0 ? script.hot : (int64_t)draw(&thread->random, script.customers);
    int64_t debit = (credit + 1 + (int64_t)draw(&thread->random, script.customers - 1)) % script.customers;
    one.account = script.first_id + (int64_t)draw(&thread->random, script.accounts);
    one.prefix = script.first_prefix + (int64_t)draw(&thread->random, script.prefixes);
    one.entry = (script.n + thread->answered + thread->again) * 1000 + thread->number;
    one.debit = script.first_id + 1 + 2 * debit;
    one.credit = script.first_id + 1 + 2 * credit;
    return one;
}

static int64_t number(const struct operation *one, const char *name) {
    bool debit_is_low = one->debit < one->credit;
#define IS(word, value) \
    if (!strcmp(name, word)) return value
    IS("one", 1);
    IS("zero", 0);
    IS("limit", script.page + 1);
    IS("first", script.last - script.lines + 1);
    IS("last", script.last);
    IS("account", one->account);
    IS("prefix", one->prefix);
    IS("after", one->prefix + 1);
    IS("debit", one->debit);
    IS("credit", one->credit);
    IS("low", debit_is_low ? one->debit : one->credit);
    IS("high", debit_is_low ? one->credit : one->debit);
    IS("low_debits", debit_is_low);
    IS("high_debits", !debit_is_low);
    IS("debit_version", one->debit_version);
    IS("debit_balance", one->debit_balance);
    IS("credit_version", one->credit_version);
    IS("credit_balance", one->credit_balance);
#undef IS
    fail("nothing is known of %s", name);
    return 0;
}

// The sixteen bytes of a UUID that ends in these twelve digits, or is an entry's.
static void uuid(char *bytes, const char *digits) {
    for (int at = 0; at < 16; at++) {
        unsigned byte;
        if (sscanf(digits + 2 * at, "%2x", &byte) != 1) fail("%s are no digits", digits);
        bytes[at] = (char)byte;
    }
}

static bool is_conflict(unsigned error) {
    return error == 1020 || error == 1205 || error == 1213;
}

// The digits of an id that a parameter stands for, if it stands for one.
static bool digits_of(const struct parameter *parameter, const struct operation *one, char *digits) {
    switch (parameter->kind) {
        case ACCOUNT: sprintf(digits, "01900000000070008000%012" PRId64, number(one, parameter->word)); return true;
        case PAGE:
            sprintf(digits, "01900000000070008000%012" PRId64,
                    script.first_id + 100 * (one->prefix - script.first_prefix) + parameter->place);
            return true;
        case ENTRY: sprintf(digits, "f199000000%019" PRId64 "000", one->entry); return true;
        default: return false;
    }
}

static int write_literal(char *text, const struct parameter *parameter, const struct operation *one) {
    char digits[40];
    if (digits_of(parameter, one, digits)) return sprintf(text, "X'%s'", digits);
    switch (parameter->kind) {
        case IS_NULL: return sprintf(text, "NULL");
        case TEXT: return sprintf(text, "'%s'", parameter->word);
        case NOW: return sprintf(text, "'%s'", script.now);
        case CODE: return sprintf(text, "'%" PRId64 "'", number(one, parameter->word));
        default: return sprintf(text, "%" PRId64, number(one, parameter->word));
    }
}

// Answers false after a conflict.
static bool send_text(MYSQL *connection, struct thread *thread, const struct step *step, const struct operation *one) {
    static _Thread_local char text[LONGEST];
    char *end = text;
    const struct parameter *parameter = step->parameter;
    for (const char *from = step->text; *from;) {
        if (end - text > LONGEST - 200) fail("too long: %s", step->text);
        if (!strncmp(from, "{random}", 8)) {
            end += sprintf(end, "%016" PRIx64 "%016" PRIx64, draw(&thread->random, INT64_MAX), draw(&thread->random, INT64_MAX));
            from += 8;
        } else if (!strncmp(from, "{}", 2)) {
            if (parameter == step->parameter + step->parameters) fail("too few parameters: %s", step->text);
            end += write_literal(end, parameter++, one);
            from += 2;
        } else {
            *end++ = *from++;
        }
    }
    if (mysql_real_query(connection, text, (unsigned long)(end - text))) {
        if (is_conflict(mysql_errno(connection))) return false;
        fail("%.*s: %s", (int)(end - text), text, mysql_error(connection));
    }
    for (int next = 0; next == 0; next = mysql_next_result(connection)) {
        MYSQL_RES *result = mysql_store_result(connection);
        if (result) mysql_free_result(result);
    }
    if (mysql_errno(connection)) {
        if (is_conflict(mysql_errno(connection))) return false;
        fail("%.*s: %s", (int)(end - text), text, mysql_error(connection));
    }
    return true;
}

static void prepare(MYSQL *connection, struct statement *statement, const struct step *step) {
    statement->handle = mysql_stmt_init(connection);
    if (!statement->handle || mysql_stmt_prepare(statement->handle, step->text, strlen(step->text)))
        fail("%s: %s", step->text, mysql_error(connection));
    if ((int)mysql_stmt_param_count(statement->handle) != step->parameters)
        fail("%d parameters are known of %s", step->parameters, step->text);
    MYSQL_RES *described = mysql_stmt_result_metadata(statement->handle);
    statement->version = statement->credits = statement->debits = -1;
    statement->columns = described ? (int)mysql_num_fields(described) : 0;
    if (statement->columns > COLUMNS) fail("too many columns: %s", step->text);
    for (int at = 0; at < statement->columns; at++) {
        const char *name = mysql_fetch_field_direct(described, at)->name;
        MYSQL_BIND *bind = &statement->result[at];
        int *place = !strcmp(name, "version")          ? &statement->version
                     : !strcmp(name, "credits_posted") ? &statement->credits
                     : !strcmp(name, "debits_posted")  ? &statement->debits
                                                       : NULL;
        memset(bind, 0, sizeof *bind);
        if (place) {
            *place = at;
            bind->buffer_type = MYSQL_TYPE_LONGLONG;
            bind->buffer = &statement->number[at];
        } else {
            bind->buffer_type = MYSQL_TYPE_STRING;
            bind->buffer = statement->text[at];
            bind->buffer_length = WIDTH;
        }
    }
    if (described) mysql_free_result(described);
}

// Answers false after a conflict.
static bool execute(struct statement *statement, const struct step *step, struct operation *one) {
    static const my_bool yes = 1;
    MYSQL_BIND values[PARAMETERS];
    int64_t numbers[PARAMETERS];
    char texts[PARAMETERS][40], digits[40];
    memset(values, 0, sizeof *values * (size_t)step->parameters);
    for (int at = 0; at < step->parameters; at++) {
        const struct parameter *parameter = &step->parameter[at];
        MYSQL_BIND *bind = &values[at];
        bind->buffer = texts[at];
        bind->buffer_type = MYSQL_TYPE_STRING;
        switch (parameter->kind) {
            case IS_NULL: bind->buffer_type = MYSQL_TYPE_NULL, bind->is_null = (my_bool *)&yes; continue;
            case TEXT: bind->buffer_length = (unsigned long)sprintf(texts[at], "%s", parameter->word); continue;
            case CODE:
                bind->buffer_length = (unsigned long)sprintf(texts[at], "%" PRId64, number(one, parameter->word));
                continue;
            case NOW: bind->buffer_length = (unsigned long)sprintf(texts[at], "%s", script.now); continue;
            case NUMBER:
                numbers[at] = number(one, parameter->word);
                bind->buffer_type = MYSQL_TYPE_LONGLONG, bind->buffer = &numbers[at];
                continue;
            default: digits_of(parameter, one, digits);
        }
        uuid(texts[at], digits);
        bind->buffer_type = MYSQL_TYPE_BLOB, bind->buffer_length = 16;
    }
    MYSQL_STMT *handle = statement->handle;
    if ((step->parameters && mysql_stmt_bind_param(handle, values)) || mysql_stmt_execute(handle)) {
        if (is_conflict(mysql_stmt_errno(handle))) return false;
        fail("%s: %s", step->text, mysql_stmt_error(handle));
    }
    if (!statement->columns) return true;
    if (mysql_stmt_bind_result(handle, statement->result)) fail("%s: %s", step->text, mysql_stmt_error(handle));
    int rows = 0, fetched;
    while ((fetched = mysql_stmt_fetch(handle)) == 0 || fetched == MYSQL_DATA_TRUNCATED) {
        if (statement->version >= 0 && statement->credits >= 0 && statement->debits >= 0) {
            // Rows come in the order of the accounts' ids.
            bool is_debit = (one->debit < one->credit) == (rows == 0);
            int64_t version = statement->number[statement->version] + 1;
            int64_t balance = statement->number[statement->credits] - statement->number[statement->debits];
            if (is_debit)
                one->debit_version = version, one->debit_balance = balance - 1;
            else
                one->credit_version = version, one->credit_balance = balance + 1;
        }
        rows++;
    }
    if (fetched != MYSQL_NO_DATA) {
        // An error among the rows is the connection's.
        unsigned error = mysql_stmt_errno(handle) ? mysql_stmt_errno(handle) : mysql_errno(handle->mysql);
        if (is_conflict(error)) return false;
        fail("%s: %u %s %s", step->text, error, mysql_stmt_error(handle), mysql_error(handle->mysql));
    }
    if (rows == 0 && !strncmp(step->text, "SELECT", 6)) fail("no row: %s", step->text);
    return true;
}

static void *work(void *argument) {
    static const struct step back = {.text = "ROLLBACK"};
    struct thread *thread = argument;
    MYSQL *connection = mysql_init(NULL);
    if (!connection || !mysql_real_connect(connection, script.host, script.user, NULL, script.database, (unsigned)script.port, NULL,
                                           CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS))
        fail("%s", mysql_error(connection));
    struct statement *statements = calloc((size_t)script.steps, sizeof *statements);
    if (!statements) fail("no memory");
    // The settings of a session are the first text.
    send_text(connection, thread, &script.step[0], NULL);
    for (int at = 1; at < script.steps; at++)
        if (script.step[at].is_prepared) prepare(connection, &statements[at], &script.step[at]);
    int64_t end = now() + script.seconds * 1000000000;
    for (;;) {
        int64_t sent = now();
        if (script.times ? thread->answered >= script.times : sent >= end) break;
        for (bool is_done = false; !is_done;) {
            struct operation one = begin(thread);
            is_done = true;
            for (int at = 1; at < script.steps && is_done; at++) {
                const struct step *step = &script.step[at];
                is_done = step->is_prepared ? execute(&statements[at], step, &one) : send_text(connection, thread, step, &one);
            }
            if (!is_done) {
                thread->again++;
                send_text(connection, thread, &back, NULL);
            }
        }
        thread->answered++;
        if (thread->answered % 10 == 0) {
            if (thread->kept == thread->room) {
                thread->room = thread->room ? 2 * thread->room : 1024;
                thread->latencies = realloc(thread->latencies, thread->room * sizeof *thread->latencies);
                if (!thread->latencies) fail("no memory");
            }
            thread->latencies[thread->kept++] = now() - sent;
        }
    }
    for (int at = 1; at < script.steps; at++)
        if (script.step[at].is_prepared) mysql_stmt_close(statements[at].handle);
    free(statements);
    mysql_close(connection);
    return NULL;
}

static void read_parameter(char *value) {
    static const char *const kinds[] = {"null", "text", "code", "number", "account", "page", "entry", "now"};
    struct step *step = &script.step[script.steps - 1];
    if (step->parameters == PARAMETERS) fail("too many parameters: %s", step->text);
    struct parameter *parameter = &step->parameter[step->parameters++];
    char *word = strchr(value, ' ');
    if (word) *word++ = 0;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        if (!strcmp(value, kinds[kind])) {
            parameter->kind = (enum kind)kind;
            snprintf(parameter->word, sizeof parameter->word, "%s", word ? word : "");
            parameter->place = word ? atoll(word) : 0;
            return;
        }
    fail("%s is no kind of parameter", value);
}

static void read_script(const char *path) {
    static const struct {
        const char *name;
        int64_t *number;
        char *text;
    } names[] = {
        {"host", NULL, script.host}, {"user", NULL, script.user}, {"database", NULL, script.database}, {"now", NULL, script.now},
        {"port", &script.port, NULL}, {"threads", &script.threads, NULL}, {"seconds", &script.seconds, NULL},
        {"times", &script.times, NULL}, {"accounts", &script.accounts, NULL}, {"customers", &script.customers, NULL},
        {"hot", &script.hot, NULL}, {"first_id", &script.first_id, NULL}, {"first_prefix", &script.first_prefix, NULL},
        {"prefixes", &script.prefixes, NULL}, {"last", &script.last, NULL}, {"lines", &script.lines, NULL},
        {"page", &script.page, NULL}, {"n", &script.n, NULL},
    };
    FILE *file = fopen(path, "r");
    if (!file) fail("%s cannot be read", path);
    char *line = NULL;
    size_t room = 0;
    for (ssize_t length; (length = getline(&line, &room, file)) > 0;) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        char *value = strchr(line, ' ');
        if (!value) fail("%s has no value", line);
        *value++ = 0;
        if (!strcmp(line, "p")) {
            read_parameter(value);
            continue;
        }
        if (!strcmp(line, "q") || !strcmp(line, "s")) {
            if (script.steps == STEPS) fail("too many statements");
            struct step *step = &script.step[script.steps++];
            step->is_prepared = *line == 's';
            step->text = strdup(value);
            continue;
        }
        bool is_known = false;
        for (size_t at = 0; at < sizeof names / sizeof *names; at++)
            if (!strcmp(line, names[at].name)) {
                is_known = true;
                if (names[at].number) *names[at].number = atoll(value);
                else snprintf(names[at].text, names[at].text == script.now ? sizeof script.now : sizeof script.host, "%s", value);
            }
        if (!is_known) fail("%s is not known", line);
    }
    free(line);
    fclose(file);
    if (script.steps < 2 || script.step[0].is_prepared) fail("the first text sets the session, and statements follow");
}

int main(int count, char **arguments) {
    if (count != 2) fail("usage: client SCRIPT");
    read_script(arguments[1]);
    if (mysql_library_init(0, NULL, NULL)) fail("no library");
    struct thread *threads = calloc((size_t)script.threads, sizeof *threads);
    if (!threads) fail("no memory");
    int64_t start = now();
    for (int64_t at = 0; at < script.threads; at++) {
        threads[at].number = at;
        threads[at].random = (uint64_t)(start + at * 7919) | 1;
        if (pthread_create(&threads[at].id, NULL, work, &threads[at])) fail("no thread");
    }
    int64_t answered = 0, again = 0;
    for (int64_t at = 0; at < script.threads; at++) {
        pthread_join(threads[at].id, NULL);
        answered += threads[at].answered;
        again += threads[at].again;
    }
    printf("answered %" PRId64 "\nagain %" PRId64 "\nelapsed %" PRId64 "\n", answered, again, now() - start);
    for (int64_t at = 0; at < script.threads; at++) {
        for (size_t kept = 0; kept < threads[at].kept; kept++) printf("%" PRId64 "\n", threads[at].latencies[kept]);
        free(threads[at].latencies);
    }
    free(threads);
    return 0;
}
