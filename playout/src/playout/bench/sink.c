/* A load receiver: accepts RTMP publishers, answers just enough, and throws the media away.
 *
 * It is built when a measurement begins, serves 127.0.0.1 only, and understands no media: the
 * handshake, three commands found by their names, and an acknowledgement after each window. Media
 * is dropped inside the kernel (MSG_TRUNC), so that the receiver costs the machine little.
 *
 *     sink CHUNK_SIZE [CERTIFICATE KEY]       (TLS when built with WITH_TLS)
 *
 * Prints "port N" once it listens. Each line on stdin is answered by
 * "connections N publishing N bytes N"; the end of stdin ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

enum { HANDSHAKE = 1536, COMMAND_BYTES = 16384, SCRATCH_BYTES = 1 << 20 };
/* What YouTube's ingest announces. */
enum { WINDOW = 2500000, PEER_BANDWIDTH = 10000000 };
enum { SMALLEST_CHUNK = 128 }; /* what both sides use until they announce another size */
enum state { TLS_HANDSHAKE, C0_C1, C2, CONNECT, CREATE_STREAM, PUBLISH, MEDIA };

struct peer {
    int fd;
    enum state state;
    size_t filled;
    uint64_t received, acknowledged;
    unsigned char *commands;
#ifdef WITH_TLS
    SSL *ssl;
#endif
};

static unsigned char scratch[SCRATCH_BYTES];
static long connections, publishing;
static uint64_t total_bytes;
static size_t chunk_size;
#ifdef WITH_TLS
static SSL_CTX *tls;
#endif

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* Bytes read, 0 for "nothing now", -1 for the end. Media goes to `into` only where it must. */
static ssize_t take(struct peer *peer, void *into, size_t size, int drop) {
    ssize_t count;
#ifdef WITH_TLS
    if (peer->ssl) {
        int got = SSL_read(peer->ssl, into, (int)size);
        if (got > 0) return got;
        int why = SSL_get_error(peer->ssl, got);
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
#endif
    count = recv(peer->fd, into, size, drop ? MSG_TRUNC : 0);
    if (count > 0) return count;
    return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void give(struct peer *peer, const void *bytes, size_t size) {
#ifdef WITH_TLS
    if (peer->ssl) {
        SSL_write(peer->ssl, bytes, (int)size);
        return;
    }
#endif
    /* A few bytes into an empty send buffer; a peer that does not read misses them. */
    if (send(peer->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
}

/* -- the few messages a publisher waits for (RTMP 1.0, sections 5.3, 5.4 and 7.2) ------------- */

static unsigned char *be(unsigned char *at, uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) *at++ = (unsigned char)(value >> shift);
    return at;
}

static unsigned char *head(unsigned char *at, int chunk_stream, int length, int type, int stream) {
    *at++ = (unsigned char)chunk_stream;
    at = be(at, 0, 3);
    at = be(at, (uint64_t)length, 3);
    *at++ = (unsigned char)type;
    *at++ = (unsigned char)stream;
    return be(at, 0, 3);
}

static unsigned char *name(unsigned char *at, const char *text) {
    size_t length = strlen(text);
    at = be(at, length, 2);
    memcpy(at, text, length);
    return at + length;
}

static unsigned char *string(unsigned char *at, const char *text) {
    *at++ = 2;
    return name(at, text);
}

static unsigned char *number(unsigned char *at, const unsigned char *bits) {
    *at++ = 0;
    memcpy(at, bits, 8);
    return at + 8;
}

static unsigned char *status(unsigned char *at, const char *code) {
    *at++ = 3;
    at = name(at, "level");
    at = string(at, "status");
    at = name(at, "code");
    at = string(at, code);
    at = name(at, "description");
    at = string(at, "Taken.");
    return be(at, 9, 3);
}

static void command(struct peer *peer, int stream, unsigned char *body, unsigned char *end) {
    unsigned char message[1024];
    unsigned char *at = head(message, 3, (int)(end - body), 20, stream);
    while (body < end) {
        size_t part = (size_t)(end - body) < chunk_size ? (size_t)(end - body) : chunk_size;
        memcpy(at, body, part);
        at += part;
        body += part;
        if (body < end) *at++ = 0xc3; /* a type 3 header: the same message goes on */
    }
    give(peer, message, (size_t)(at - message));
}

static const unsigned char ZERO[8] = {0}, ONE[8] = {0x3f, 0xf0};

static void answer_connect(struct peer *peer, const unsigned char *transaction) {
    unsigned char control[64], body[512], *at = control;
    at = be(head(at, 2, 4, 5, 0), WINDOW, 4);
    at = be(be(head(at, 2, 5, 6, 0), PEER_BANDWIDTH, 4), 2, 1);
    if (chunk_size != SMALLEST_CHUNK) at = be(head(at, 2, 4, 1, 0), chunk_size, 4);
    give(peer, control, (size_t)(at - control));
    at = number(string(body, "_result"), transaction);
    *at++ = 3;
    at = name(at, "fmsVer");
    at = be(string(at, "FMS/3,0,1,123"), 9, 3);
    command(peer, 0, body, status(at, "NetConnection.Connect.Success"));
}

static void answer_create_stream(struct peer *peer, const unsigned char *transaction) {
    unsigned char body[128], *at = number(string(body, "_result"), transaction);
    *at++ = 5;
    command(peer, 0, body, number(at, ONE));
}

static void answer_publish(struct peer *peer) {
    unsigned char body[512], *at = number(string(body, "onStatus"), ZERO);
    *at++ = 5;
    command(peer, 1, body, status(at, "NetStream.Publish.Start"));
}

static void acknowledge(struct peer *peer) {
    unsigned char message[16];
    if (peer->received - peer->acknowledged < WINDOW) return;
    peer->acknowledged = peer->received;
    be(head(message, 2, 4, 3, 0), peer->received & 0xffffffffu, 4);
    give(peer, message, sizeof message);
}

/* Where the transaction id of the command called `wanted` begins, once all of it is there. */
static unsigned char *find(struct peer *peer, const char *wanted) {
    unsigned char pattern[32], *end = string(pattern, wanted);
    *end++ = 0;
    unsigned char *found = memmem(peer->commands, peer->filled, pattern, (size_t)(end - pattern));
    if (!found) return NULL;
    found += end - pattern;
    return found + 8 <= peer->commands + peer->filled ? found : NULL;
}

static void understand(struct peer *peer) {
    unsigned char *transaction;
    if (peer->state == C0_C1) {
        unsigned char reply[1 + 2 * HANDSHAKE] = {3};
        if (peer->filled < 1 + HANDSHAKE) return;
        memcpy(reply + 1 + HANDSHAKE, peer->commands + 1, HANDSHAKE);
        give(peer, reply, sizeof reply);
        peer->filled -= 1 + HANDSHAKE;
        memmove(peer->commands, peer->commands + 1 + HANDSHAKE, peer->filled);
        peer->state = C2;
    }
    if (peer->state == C2) {
        if (peer->filled < HANDSHAKE) return;
        peer->filled -= HANDSHAKE;
        memmove(peer->commands, peer->commands + HANDSHAKE, peer->filled);
        peer->state = CONNECT;
    }
    if (peer->state == CONNECT && (transaction = find(peer, "connect"))) {
        answer_connect(peer, transaction);
        peer->state = CREATE_STREAM;
    }
    if (peer->state == CREATE_STREAM && (transaction = find(peer, "createStream"))) {
        answer_create_stream(peer, transaction);
        peer->state = PUBLISH;
    }
    if (peer->state == PUBLISH && find(peer, "publish")) {
        answer_publish(peer);
        peer->state = MEDIA;
        publishing++;
        free(peer->commands);
        peer->commands = NULL;
    }
}

static void forget(struct peer *peer) {
    connections--;
    if (peer->state == MEDIA) publishing--;
#ifdef WITH_TLS
    if (peer->ssl) SSL_free(peer->ssl);
#endif
    close(peer->fd);
    free(peer->commands);
    free(peer);
}

static void serve(struct peer *peer) {
    ssize_t count;
#ifdef WITH_TLS
    if (peer->state == TLS_HANDSHAKE) {
        int done = SSL_accept(peer->ssl);
        if (done != 1) {
            int why = SSL_get_error(peer->ssl, done);
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) forget(peer);
            return;
        }
        peer->state = C0_C1;
    }
#endif
    for (;;) {
        if (peer->state == MEDIA) {
            count = take(peer, scratch, sizeof scratch, 1);
        } else {
            count = take(peer, peer->commands + peer->filled, COMMAND_BYTES - peer->filled, 0);
            if (peer->filled + (size_t)(count > 0 ? count : 0) >= COMMAND_BYTES) count = -1;
        }
        if (count < 0) {
            forget(peer);
            return;
        }
        if (count == 0) return;
        total_bytes += (uint64_t)count;
        peer->received += (uint64_t)count;
        if (peer->state == MEDIA) {
            acknowledge(peer);
        } else {
            peer->filled += (size_t)count;
            understand(peer);
        }
#ifdef WITH_TLS
        if (peer->ssl) continue; /* what TLS has decrypted already wakes nobody */
#endif
        return;
    }
}

static void welcome(int listener, int epoll) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct peer *peer = calloc(1, sizeof *peer);
    peer->fd = fd;
    peer->state = C0_C1;
    peer->commands = malloc(COMMAND_BYTES);
#ifdef WITH_TLS
    if (tls) {
        peer->ssl = SSL_new(tls);
        SSL_set_fd(peer->ssl, fd);
        peer->state = TLS_HANDSHAKE;
    }
#endif
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
    connections++;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (argc < 2) return 2;
    chunk_size = strtoul(argv[1], NULL, 10);
    if (chunk_size < SMALLEST_CHUNK) chunk_size = SMALLEST_CHUNK;
    if (argc == 4) {
#ifdef WITH_TLS
        tls = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
        if (SSL_CTX_use_certificate_chain_file(tls, argv[2]) != 1 ||
            SSL_CTX_use_PrivateKey_file(tls, argv[3], SSL_FILETYPE_PEM) != 1) {
            fprintf(stderr, "sink: cannot use this certificate\n");
            return 1;
        }
#else
        fprintf(stderr, "sink: built without TLS\n");
        return 1;
#endif
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) < 0) die("bind");
    if (listen(listener, 4096) < 0) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    event.data.ptr = NULL;
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int n = 0; n < count; n++) {
            if (events[n].data.ptr == &listener) {
                welcome(listener, epoll);
            } else if (events[n].data.ptr == NULL) {
                char line[64];
                ssize_t got = read(0, line, sizeof line);
                if (got <= 0) return 0;
                for (ssize_t c = 0; c < got; c++)
                    if (line[c] == '\n')
                        printf("connections %ld publishing %ld bytes %llu\n", connections,
                               publishing, (unsigned long long)total_bytes);
                fflush(stdout);
            } else {
                serve(events[n].data.ptr);
            }
        }
    }
}
