// The limit line: the least that it can cost to move certain bytes over certain sockets. No HTTP/2, no protobuf, no state.
//
//   LimitLine serve STREAMS SUBSCRIPTION FIRST FIRST_ACK PUSH ACK PUSHES INTERVAL_MS
//   LimitLine connect PORT STREAMS SUBSCRIPTION FIRST FIRST_ACK PUSH ACK PUSHES
//
// `serve` takes a free port of 127.0.0.1, prints it, and accepts STREAMS sockets. It reads SUBSCRIPTION bytes of each, writes
// FIRST bytes and reads FIRST_ACK. Then PUSHES times, INTERVAL_MS apart: one write of PUSH bytes to each socket (what the
// kernel does not take is written when it can), and ACK bytes read of each. It prints one line of JSON: its CPU time for
// the first sync and for each push. `connect` is the other side, in a process of its own. epoll, one thread each.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch = 512, chunk = 65536 };

struct stream {
  int fd;
  size_t to_read;   // of what this side waits for
  size_t to_write;  // of what this side has begun to write
  int waits_to_write;
};

static int poller;
static struct stream *streams;
static long count;
static char *source;  // whatever is written, its length at most the longest message
static char sink[chunk];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double seconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void watch(struct stream *stream, int operation) {
  struct epoll_event event = {.events = EPOLLIN | (stream->waits_to_write ? EPOLLOUT : 0), .data.ptr = stream};
  if (epoll_ctl(poller, operation, stream->fd, &event) != 0) fail("epoll_ctl");
}

static void add(struct stream *stream, int fd) {
  int one = 1;
  stream->fd = fd;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  watch(stream, EPOLL_CTL_ADD);
}

// Writes what is due, as far as the kernel takes it.
static void flush(struct stream *stream) {
  while (stream->to_write > 0) {
    ssize_t written = send(stream->fd, source, stream->to_write, MSG_NOSIGNAL);
    if (written < 0 && errno == EAGAIN) break;
    if (written < 0) fail("send");
    stream->to_write -= (size_t)written;
  }
  int waits = stream->to_write > 0;
  if (waits == stream->waits_to_write) return;
  stream->waits_to_write = waits;
  watch(stream, EPOLL_CTL_MOD);
}

static void begin_write(struct stream *stream, size_t length) {
  stream->to_write += length;
  flush(stream);
}

// Reads once; returns 1 when the last of the bytes that it waits for has come. There are never more: each side speaks in turn.
static int take(struct stream *stream) {
  if (stream->to_read == 0) return 0;
  ssize_t length = recv(stream->fd, sink, stream->to_read < chunk ? stream->to_read : chunk, 0);
  if (length < 0 && errno == EAGAIN) return 0;
  if (length < 0) fail("recv");
  if (length == 0) {
    fprintf(stderr, "limit: a stream ended early\n");
    exit(1);
  }
  stream->to_read -= (size_t)length;
  return stream->to_read == 0;
}

// Until every stream has read what it waits for and written what it has to; `then` is what it does about a whole message.
static void run(void (*then)(struct stream *)) {
  long open = 0;
  for (long i = 0; i < count; i++) open += streams[i].to_read > 0;
  struct epoll_event events[batch];
  while (open > 0) {
    int ready = epoll_wait(poller, events, batch, 30000);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    if (ready == 0) {
      fprintf(stderr, "limit: nothing for 30 s\n");
      exit(1);
    }
    for (int i = 0; i < ready; i++) {
      struct stream *stream = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) flush(stream);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && take(stream)) {
        open -= 1;
        if (then) then(stream);
      }
    }
  }
}

static void expect(size_t length) {
  for (long i = 0; i < count; i++) streams[i].to_read = length;
}

static size_t answer;
static void write_answer(struct stream *stream) { begin_write(stream, answer); }

// Where, of so many sorted values, the smallest lies that at least percent of all do not exceed.
static long rank(long percent, long count) { return (count * percent + 99) / 100 - 1; }

static void serve(size_t subscription, size_t first, size_t first_ack, size_t push, size_t ack, long pushes, long rest) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 4096) != 0) fail("listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
  for (long i = 0; i < count; i++) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    add(&streams[i], fd);
  }
  expect(subscription);
  answer = first;
  run(write_answer);
  expect(first_ack);
  run(NULL);
  double sync = seconds(CLOCK_PROCESS_CPUTIME_ID) - before;

  double *cpu = calloc((size_t)pushes, sizeof *cpu), *wall = calloc((size_t)pushes, sizeof *wall), sum = 0;
  for (long n = 0; n < pushes; n++) {
    usleep((useconds_t)rest * 1000);
    double began = seconds(CLOCK_MONOTONIC);
    before = seconds(CLOCK_PROCESS_CPUTIME_ID);
    expect(ack);
    for (long i = 0; i < count; i++) begin_write(&streams[i], push);
    run(NULL);
    cpu[n] = (seconds(CLOCK_PROCESS_CPUTIME_ID) - before) * 1000;
    wall[n] = (seconds(CLOCK_MONOTONIC) - began) * 1000;
    sum += cpu[n];
  }
  qsort(cpu, (size_t)pushes, sizeof *cpu, compare);
  qsort(wall, (size_t)pushes, sizeof *wall, compare);
  printf(
      "{\"event\":\"limit\",\"streams\":%ld,\"push_bytes\":%zu,\"ack_bytes\":%zu,\"sync_cpu_ms\":%.3f,"
      "\"cpu_ms\":%.4f,\"cpu_median_ms\":%.4f,\"wall_median_ms\":%.3f,\"wall_p99_ms\":%.3f}\n",
      count, push, ack, sync * 1000, sum / (double)pushes, cpu[rank(50, pushes)], wall[rank(50, pushes)],
      wall[rank(99, pushes)]);
}

static void connect_all(
    int port, size_t subscription, size_t first, size_t first_ack, size_t push, size_t ack, long pushes) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
  for (long i = 0; i < count; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    add(&streams[i], fd);
  }
  expect(first);
  for (long i = 0; i < count; i++) begin_write(&streams[i], subscription);
  answer = first_ack;
  run(write_answer);
  answer = ack;
  for (long n = 0; n < pushes; n++) {
    expect(push);
    run(write_answer);
  }
  // The last answers may not have left yet; the server ends first.
  for (long i = 0; i < count; i++) {
    while (streams[i].to_write > 0) {
      flush(&streams[i]);
      if (streams[i].to_write > 0) usleep(1000);
    }
    while (recv(streams[i].fd, sink, 1, 0) < 0 && errno == EAGAIN) usleep(1000);
  }
}

int main(int argc, char **argv) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  int serves = argc == 10 && strcmp(argv[1], "serve") == 0;
  int connects = argc == 10 && strcmp(argv[1], "connect") == 0;
  if (!serves && !connects) {
    fprintf(stderr, "usage: LimitLine serve STREAMS SUBSCRIPTION FIRST FIRST_ACK PUSH ACK PUSHES INTERVAL_MS\n"
                    "       LimitLine connect PORT STREAMS SUBSCRIPTION FIRST FIRST_ACK PUSH ACK PUSHES\n");
    return 2;
  }
  long values[8];
  size_t longest = chunk;
  for (int i = 0; i < 8; i++) {
    values[i] = strtol(argv[i + 2], NULL, 10);
    if (values[i] < 0) return 2;
    if ((size_t)values[i] > longest) longest = (size_t)values[i];
  }
  long *rest = serves ? values + 1 : values + 2;
  count = serves ? values[0] : values[1];
  streams = calloc((size_t)count, sizeof *streams);
  source = calloc(1, longest);
  poller = epoll_create1(0);
  if (!streams || !source || poller < 0 || count < 1 || rest[5] < 1) return 2;
  if (serves) {
    serve((size_t)rest[0], (size_t)rest[1], (size_t)rest[2], (size_t)rest[3], (size_t)rest[4], rest[5], rest[6]);
  } else {
    connect_all((int)values[0], (size_t)rest[0], (size_t)rest[1], (size_t)rest[2], (size_t)rest[3], (size_t)rest[4],
                rest[5]);
  }
  return 0;
}
