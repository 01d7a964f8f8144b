/* The yardstick: what sending the same bytes on the same schedule costs a program that does
 * nothing else. No timeline, no joins, no reports, one send for each stream and tick.
 *
 *     sender PORT STREAMS WIRE SCHEDULE TICK_MS LEAD_TICKS [AUTHORITY]   (TLS with WITH_TLS)
 *
 * WIRE holds one pass of the media as it goes on the wire, SCHEDULE a 64-bit little-endian end
 * offset for each tick. Prints "ready" when all streams publish, and runs until stdin ends.
 */
#define _GNU_SOURCE
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
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

struct stream {
    int fd;
    size_t tick;          /* the next one to send */
    uint64_t at, until;   /* what is being sent, as offsets into the wire file */
#ifdef WITH_TLS
    SSL *ssl;
#endif
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static const unsigned char *map(const char *path, size_t *size) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0) die(path);
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) die(path);
    close(fd);
    *size = (size_t)info.st_size;
    return bytes;
}

static ssize_t put(struct stream *stream, const void *bytes, size_t size) {
#ifdef WITH_TLS
    if (stream->ssl) {
        int sent = SSL_write(stream->ssl, bytes, size > 1 << 30 ? 1 << 30 : (int)size);
        if (sent > 0) return sent;
        int why = SSL_get_error(stream->ssl, sent);
        if (why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ) return 0;
        die("SSL_write");
    }
#endif
    ssize_t sent = send(stream->fd, bytes, size, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno == EAGAIN || errno == EINTR) return 0;
    die("send");
    return -1;
}

static ssize_t get(struct stream *stream, void *into, size_t size) {
#ifdef WITH_TLS
    if (stream->ssl) return SSL_read(stream->ssl, into, (int)size);
#endif
    return recv(stream->fd, into, size, 0);
}

/* -- the publish sequence, with a small command for each step (RTMP 1.0, section 7.2) --------- */

static size_t message(unsigned char *out, int stream, const void *body, size_t length) {
    unsigned char head[12] = {3, 0, 0, 0, 0, (unsigned char)(length >> 8), (unsigned char)length,
                              20, (unsigned char)stream, 0, 0, 0};
    memcpy(out, head, 12);
    memcpy(out + 12, body, length);
    return 12 + length;
}

static void wait_for(struct stream *stream, const char *words) {
    unsigned char seen[16384];
    size_t filled = 0;
    while (!memmem(seen, filled, words, strlen(words))) {
        if (filled == sizeof seen) die("the receiver's answer");
        ssize_t got = get(stream, seen + filled, sizeof seen - filled);
        if (got <= 0) die("the receiver's answer");
        filled += (size_t)got;
    }
}

static void publish(struct stream *stream) {
    static const char connect_body[] =
        "\2\0\7connect\0\x3f\xf0\0\0\0\0\0\0\3\0\3app\2\0\4live\0\0\x09";
    static const char create_body[] = "\2\0\14createStream\0\x40\0\0\0\0\0\0\0\5";
    static const char publish_body[] =
        "\2\0\7publish\0\x40\x08\0\0\0\0\0\0\5\2\0\1k\2\0\4live";
    unsigned char hello[1 + 1536] = {3}, back[1 + 2 * 1536], out[512];
    size_t filled = 0;
    put(stream, hello, sizeof hello);
    while (filled < sizeof back) {
        ssize_t got = get(stream, back + filled, sizeof back - filled);
        if (got <= 0) die("handshake");
        filled += (size_t)got;
    }
    put(stream, back + 1, 1536);
    put(stream, out, message(out, 0, connect_body, sizeof connect_body - 1));
    wait_for(stream, "NetConnection.Connect.Success");
    put(stream, out, message(out, 0, create_body, sizeof create_body - 1));
    wait_for(stream, "_result");
    put(stream, out, message(out, 1, publish_body, sizeof publish_body - 1));
    wait_for(stream, "NetStream.Publish.Start");
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void sleep_until(int64_t due) {
    struct timespec at = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
}

int main(int argc, char **argv) {
    if (argc < 7) return 2;
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    size_t count = strtoul(argv[2], NULL, 10), wire_bytes, schedule_bytes;
    const unsigned char *wire = map(argv[3], &wire_bytes);
    const uint64_t *ends = (const uint64_t *)map(argv[4], &schedule_bytes);
    size_t ticks = schedule_bytes / sizeof *ends;
    int64_t tick_ns = strtoll(argv[5], NULL, 10) * 1000000;
    size_t lead = strtoul(argv[6], NULL, 10);
    struct stream *streams = calloc(count, sizeof *streams);
#ifdef WITH_TLS
    SSL_CTX *tls = NULL;
    if (argc > 7) {
        tls = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
        if (SSL_CTX_load_verify_locations(tls, argv[7], NULL) != 1) return 1;
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    }
#else
    if (argc > 7) return 2;
#endif
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t n = 0; n < count; n++) {
        int one = 1, buffer = 512 * 1024, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
        streams[n].fd = fd;
#ifdef WITH_TLS
        if (tls) {
            streams[n].ssl = SSL_new(tls);
            SSL_set_fd(streams[n].ssl, fd);
            SSL_set1_host(streams[n].ssl, "localhost");
            if (SSL_connect(streams[n].ssl) != 1) die("TLS handshake");
        }
#endif
        publish(&streams[n]);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        /* Streams begin all over the media, as they do in the pump's run. */
        streams[n].tick = n * 7919 % ticks;
        streams[n].at = streams[n].until = streams[n].tick ? ends[streams[n].tick - 1] : 0;
    }
    printf("ready\n");
    fflush(stdout);
    static unsigned char scratch[65536];
    int64_t begun = now_ns();
    for (uint64_t turn = 0;; turn++) {
        struct pollfd input = {.fd = 0, .events = POLLIN};
        if (poll(&input, 1, 0) > 0 && read(0, scratch, sizeof scratch) <= 0) return 0;
        for (size_t n = 0; n < count; n++) {
            struct stream *stream = &streams[n];
            /* The lead goes out once, over the first turns, so that it is no burst of all. */
            size_t steps = turn < lead ? 2 : 1;
            sleep_until(begun + (int64_t)turn * tick_ns + (int64_t)n * tick_ns / (int64_t)count);
            while (steps > 0 || stream->at < stream->until) {
                if (stream->at == stream->until) {
                    if (stream->tick == ticks) stream->tick = 0;
                    stream->at = stream->tick ? ends[stream->tick - 1] : 0;
                    stream->until = ends[stream->tick++];
                    steps--;
                }
                ssize_t sent = put(stream, wire + stream->at, stream->until - stream->at);
                if (sent <= 0) break;
                stream->at += (uint64_t)sent;
            }
            if (turn % 16 == n % 16) {
#ifdef WITH_TLS
                if (stream->ssl) {
                    while (SSL_read(stream->ssl, scratch, sizeof scratch) > 0) {}
                    continue;
                }
#endif
                if (recv(stream->fd, scratch, sizeof scratch, MSG_DONTWAIT) == 0) die("closed");
            }
        }
    }
}
