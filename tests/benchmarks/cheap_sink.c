/*
 * A mail sink that costs nearly nothing, so that what is measured is the sender.
 *
 *     cheap_sink [--port N] [--delay MS] [--count]
 *
 * It listens on loopback only, says on its first line which port it has, takes every message for one recipient, keeps
 * none, and on SIGTERM or SIGINT prints one line of JSON: messages, bytes; with --count also how many different
 * recipients it has seen and the most messages that one of them got. --delay holds every reply for so many
 * milliseconds, as a relay at that distance would: the dialogue of a long way, not its bandwidth.
 *
 * POSIX only, one thread, one poll loop. A message is looked at just enough to find its end (RFC 5321, 4.5.2).
 */
#define _GNU_SOURCE /* memmem */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT = 1 << 18, OUTPUT = 1 << 14, REPLIES = 512, CONNECTIONS = 1000, ADDRESS = 320 };

struct reply {
    double due; /* when it may leave, in seconds of the monotonic clock */
    size_t size;
};

struct connection {
    int fd;
    int in_message;     /* after 354, until the final dot */
    int at_first_line;  /* a message may consist of its final dot alone */
    int said_quit;
    char recipient[ADDRESS];
    size_t held; /* bytes in `input` that are not understood yet */
    char input[INPUT];
    size_t waiting; /* bytes in `output` */
    char output[OUTPUT];
    int first, replies; /* a ring of what stands in `output` */
    struct reply ring[REPLIES];
};

static struct connection *connections[CONNECTIONS];
static int open_connections;
static long messages, bytes;
static double delay;
static volatile sig_atomic_t stopping;

static void stop(int number) { (void)number; stopping = 1; }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *get(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) { perror("cheap_sink"); exit(1); }
    return memory;
}

/* ---- how often each recipient was written to: open addressing by a 64-bit hash; two of a million share one with a
 * probability of 3e-8, and would then show as one recipient with two messages, never hide a repeat ---- */

struct seen { uint64_t hash; uint32_t times; };
static struct seen *table;
static size_t table_size, recipients;
static uint32_t most;

static struct seen *slot(struct seen *in, size_t size, uint64_t hash) {
    size_t at = hash & (size - 1);
    while (in[at].times && in[at].hash != hash) at = (at + 1) & (size - 1);
    return &in[at];
}

static void grow(void) {
    size_t size = table_size * 2;
    struct seen *bigger = get(size, sizeof *bigger);
    for (size_t i = 0; i < table_size; i++)
        if (table[i].times) *slot(bigger, size, table[i].hash) = table[i];
    free(table);
    table = bigger;
    table_size = size;
}

static void count(const char *recipient) {
    uint64_t hash = 1469598103934665603u; /* FNV-1a */
    for (; *recipient; recipient++) hash = (hash ^ (unsigned char)*recipient) * 1099511628211u;
    hash ^= hash >> 32; /* its low bits alone are poor */
    struct seen *found = slot(table, table_size, hash);
    found->hash = hash;
    if (!found->times++) recipients++;
    if (found->times > most) most = found->times;
    if (recipients * 2 > table_size) grow();
}

/* ---- replies ---- */

static void say(struct connection *c, const char *text) {
    size_t size = strlen(text);
    if (c->replies == REPLIES || c->waiting + size > OUTPUT) { c->said_quit = 1; return; } /* never reads: give up */
    memcpy(c->output + c->waiting, text, size);
    c->waiting += size;
    c->ring[(c->first + c->replies++) % REPLIES] = (struct reply){delay > 0 ? now() + delay : 0, size};
}

/* Send what is due; return the seconds until the next reply is, -1 if none waits, -2 if the other side is gone. */
static double send_due(struct connection *c) {
    double moment = delay > 0 ? now() : 0, wait = -1;
    size_t due = 0;
    while (c->replies) {
        struct reply *next = &c->ring[c->first];
        if (next->due > moment) { wait = next->due - moment; break; }
        due += next->size;
        c->first = (c->first + 1) % REPLIES;
        c->replies--;
    }
    if (due) {
        /* some hundred bytes always fit into a socket's buffer, unless nobody reads them */
        if (send(c->fd, c->output, due, 0) != (ssize_t)due) return -2;
        c->waiting -= due;
        memmove(c->output, c->output + due, c->waiting);
    }
    return wait;
}

/* ---- the dialogue ---- */

static void keep_recipient(struct connection *c, const char *line, const char *end) {
    const char *from = memchr(line, '<', (size_t)(end - line));
    const char *to = from ? memchr(from, '>', (size_t)(end - from)) : NULL;
    size_t size = to ? (size_t)(to - from - 1) : 0;
    if (!to || size >= ADDRESS) { say(c, "501 5.1.3 no address\r\n"); return; }
    if (*c->recipient) { say(c, "452 4.5.3 one recipient for each message\r\n"); return; }
    memcpy(c->recipient, from + 1, size);
    c->recipient[size] = 0;
    say(c, "250 2.1.5 ok\r\n");
}

static void command(struct connection *c, const char *line, const char *end) {
    size_t size = (size_t)(end - line);
#define IS(word) (size >= sizeof(word) - 1 && !strncasecmp(line, word, sizeof(word) - 1))
    if (IS("EHLO")) {
        say(c, "250-sink.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
    } else if (IS("RCPT")) {
        keep_recipient(c, line, end);
    } else if (IS("DATA")) {
        if (!*c->recipient) { say(c, "503 5.5.1 no recipient\r\n"); return; }
        c->in_message = c->at_first_line = 1;
        say(c, "354 go on\r\n");
    } else if (IS("QUIT")) {
        say(c, "221 2.0.0 goodbye\r\n");
        c->said_quit = 1;
    } else if (IS("MAIL") || IS("RSET") || IS("HELO") || IS("NOOP")) {
        *c->recipient = 0;
        say(c, "250 2.0.0 ok\r\n");
    } else {
        say(c, "500 5.5.2 what\r\n");
    }
#undef IS
}

static void end_message(struct connection *c) {
    c->in_message = 0;
    messages++;
    if (table) count(c->recipient);
    *c->recipient = 0;
    say(c, "250 2.0.0 taken\r\n");
}

/* Return how much of the message's text is done with; four bytes may be the beginning of its end. */
static char *pass_message(struct connection *c, char *at, char *end) {
    if (c->at_first_line) {
        if (end - at < 3) return at;
        c->at_first_line = 0;
        if (!memcmp(at, ".\r\n", 3)) { end_message(c); return at + 3; }
    }
    char *dot = memmem(at, (size_t)(end - at), "\r\n.\r\n", 5);
    if (dot) { end_message(c); return dot + 5; }
    return end - at > 4 ? end - 4 : at;
}

static void understand(struct connection *c) {
    char *at = c->input, *end = c->input + c->held;
    while (at < end && !c->said_quit) {
        char *before = at;
        if (c->in_message) {
            at = pass_message(c, at, end);
            if (c->in_message) break;
        } else {
            char *line_end = memchr(at, '\n', (size_t)(end - at));
            if (!line_end) break;
            command(c, at, line_end);
            at = line_end + 1;
        }
        if (at == before) break;
    }
    c->held = (size_t)(end - at);
    if (c->held == INPUT) c->said_quit = 1; /* a line without end */
    memmove(c->input, at, c->held);
}

/* Return 0 when the other side is gone. */
static int hear(struct connection *c) {
    ssize_t got = recv(c->fd, c->input + c->held, INPUT - c->held, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return 0;
    bytes += got;
    c->held += (size_t)got;
    understand(c);
    return 1;
}

/* ---- connections ---- */

static void admit(int listener) {
    int fd = accept(listener, NULL, NULL), yes = 1;
    if (fd < 0) return;
    if (open_connections == CONNECTIONS) { close(fd); return; }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct connection *c = get(1, sizeof *c);
    c->fd = fd;
    connections[open_connections++] = c;
    say(c, "220 sink.example ESMTP\r\n");
}

static void dismiss(int at) {
    close(connections[at]->fd);
    free(connections[at]);
    connections[at] = connections[--open_connections];
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    socklen_t size = sizeof address;
    if (fd < 0 || bind(fd, (void *)&address, size) || listen(fd, CONNECTIONS) ||
        getsockname(fd, (void *)&address, &size)) {
        perror("cheap_sink");
        exit(1);
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void serve(int listener) {
    static struct pollfd polled[CONNECTIONS + 1];
    sigset_t none;
    sigemptyset(&none);
    while (!stopping) {
        double wait = -1;
        for (int i = open_connections - 1; i >= 0; i--) { /* downwards: dismissing moves the last one here */
            double next = send_due(connections[i]);
            if (next == -2 || (next == -1 && connections[i]->said_quit)) { dismiss(i); continue; }
            if (next >= 0 && (wait < 0 || next < wait)) wait = next;
        }
        polled[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        int known = open_connections;
        for (int i = 0; i < known; i++)
            polled[i + 1] = (struct pollfd){.fd = connections[i]->fd, .events = connections[i]->said_quit ? 0 : POLLIN};
        struct timespec rest = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
        /* signals come through only here, so that none is missed between the question and the sleep */
        if (ppoll(polled, (nfds_t)known + 1, wait < 0 ? NULL : &rest, &none) <= 0) continue;
        for (int i = known - 1; i >= 0; i--)
            if (polled[i + 1].revents && !hear(connections[i])) dismiss(i);
        if (polled[0].revents) admit(listener);
    }
}

int main(int argc, char **argv) {
    int port = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--count")) {
            table_size = 1 << 16;
            table = get(table_size, sizeof *table);
        } else if (!strcmp(argv[i], "--port") && i + 1 < argc) {
            port = atoi(argv[++i]);
        } else if (!strcmp(argv[i], "--delay") && i + 1 < argc) {
            delay = atof(argv[++i]) / 1000;
        } else {
            fprintf(stderr, "usage: cheap_sink [--port N] [--delay MS] [--count]\n");
            return 2;
        }
    }
    struct sigaction action = {.sa_handler = stop}; /* no SA_RESTART: poll must wake */
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    serve(listen_on(port));
    printf("{\"messages\": %ld, \"bytes\": %ld", messages, bytes);
    if (table) printf(", \"recipients\": %zu, \"most\": %u", recipients, most);
    printf("}\n");
    return 0;
}
