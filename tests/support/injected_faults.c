/* Answers in the kernel's place. Loaded in front of the C library (LD_PRELOAD), so that a test can make a
 * system call fail, or move fewer bytes than it was asked to, whoever makes it: the interpreter or native
 * code.
 *
 * What is to happen stands in `faults_rules`, which a test writes (tests/support/faults.py knows the layout).
 * Rules hold for the calls of one thread, so that a peer in another thread behaves as ever. Every call of
 * that thread is counted, those of the extension module apart from those of everybody else.
 *
 * A call that fails has no effect, with three exceptions that are the kernel's own: an interrupted connect(2)
 * goes on in the background, a close(2) that fails has closed, and a connection that is reported as aborted
 * to accept(2) is gone. A call that waits for a blocking descriptor is never told to come back later. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EVERY_CALL(X)                                                                                \
    X(recv) X(recvfrom) X(recvmsg) X(read) X(readv) X(send) X(sendto) X(sendmsg) X(write) X(writev)  \
    X(sendfile) X(splice) X(connect) X(accept) X(accept4) X(close) X(shutdown)                       \
    X(socket) X(socketpair) X(pipe2) X(bind) X(listen)                                               \
    X(getsockopt) X(setsockopt) X(getsockname) X(getpeername)                                        \
    X(epoll_create1) X(epoll_ctl) X(epoll_wait) X(epoll_pwait) X(epoll_pwait2) X(eventfd)            \
    X(poll) X(ppoll) X(waitpid) X(waitid)

enum call {
#define NUMBER(name) CALL_##name,
    EVERY_CALL(NUMBER)
#undef NUMBER
    CALLS
};

const char *const faults_names[CALLS + 1] = {
#define NAME(name) #name,
    EVERY_CALL(NAME)
#undef NAME
    NULL
};

/* What a descriptor is. A call without one (socket, pipe2) is made on NOTHING. */
enum kind { NOTHING = 1, LISTENER = 2, STREAM = 4, DATAGRAMS = 8, PIPE = 16, ANONYMOUS = 32, OTHER = 64 };

struct rule {
    int32_t call;       /* which call, by its place in `faults_names` */
    uint32_t kinds;     /* on which kinds of descriptors */
    uint32_t spared;    /* how many such calls are let through first */
    uint32_t times;     /* how many are answered after that */
    uint32_t per_mille; /* how many of a thousand of these; by `faults_seed` */
    int32_t error;      /* the errno that is answered; 0 if `most` counts instead */
    uint32_t most;      /* how many bytes (or events) the call is allowed */
    uint32_t seen;      /* counted: such calls */
    uint32_t answered;  /* counted: those that met the fault */
};

enum { MOST_RULES = 128 };

struct rule faults_rules[MOST_RULES];
int32_t faults_rule_count;
/* The thread whose calls count, by its number in the kernel; 0 while nothing is to happen. */
int32_t faults_thread;
uint32_t faults_seed;
/* Where the extension module's code lies. */
uintptr_t faults_native_from, faults_native_to;
/* Calls of that thread: by the extension module in [1], by everybody else in [0]. */
uint64_t faults_made[2][CALLS];
/* How many of them met a fault. */
uint64_t faults_met[2][CALLS];

static int this_thread(void) { return (int)syscall(SYS_gettid); }

/* xorshift32; a seed of 0 would stay there. */
static uint32_t next_random(void) {
    uint32_t x = faults_seed ? faults_seed : 1;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return faults_seed = x;
}

#define REAL(name)                                                               \
    static __typeof__(&in_place_of_##name) real;                                 \
    if (real == NULL) real = (__typeof__(real))dlsym(RTLD_NEXT, #name);          \
    if (real == NULL) return errno = ENOSYS, -1 /* an older C library */

/* Each function stands in the place of the C library's; by its label, for some declarations of the C
 * library's take types of their own. */
#define IN_PLACE_OF(type, name, ...)                       \
    type in_place_of_##name(__VA_ARGS__) __asm__(#name);   \
    type in_place_of_##name(__VA_ARGS__)

static int option_of(int fd, int option) {
    static int (*real)(int, int, int, void *, socklen_t *);
    if (real == NULL) real = (__typeof__(real))dlsym(RTLD_NEXT, "getsockopt");
    int value = 0;
    socklen_t length = sizeof value;
    return real(fd, SOL_SOCKET, option, &value, &length) < 0 ? -1 : value;
}

static enum kind kind_of(int fd) {
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) return NOTHING;
    switch (about.st_mode & S_IFMT) {
    case S_IFSOCK:
        if (option_of(fd, SO_ACCEPTCONN) > 0) return LISTENER;
        return option_of(fd, SO_TYPE) == SOCK_DGRAM ? DATAGRAMS : STREAM;
    case S_IFIFO:
        return PIPE;
    case 0: /* epoll, eventfd, pidfd */
        return ANONYMOUS;
    default:
        return OTHER;
    }
}

/* Whether calls on the descriptor wait, so that none of them answers that it would have to. */
static int waits(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

/* What is to happen to a call: 0 if it is made, with `*most` lowered if it may not do all it is asked to;
 * otherwise the errno that it is answered with. */
static int fault_of(enum call call, int fd, const void *caller, size_t *most) {
    if (faults_thread == 0 || this_thread() != faults_thread) return 0;
    int native = (uintptr_t)caller >= faults_native_from && (uintptr_t)caller < faults_native_to;
    int before = errno;
    int fault = 0;
    faults_made[native][call] += 1;
    for (int index = 0; index < faults_rule_count; index++) {
        struct rule *rule = &faults_rules[index];
        if (rule->call != (int32_t)call || (rule->kinds & kind_of(fd)) == 0) continue;
        if (rule->error == EAGAIN && waits(fd)) continue;
        rule->seen += 1;
        if (rule->seen <= rule->spared || rule->answered >= rule->times) continue;
        if (rule->per_mille < 1000 && next_random() % 1000 >= rule->per_mille) continue;
        if (rule->error == 0 && (most == NULL || *most <= rule->most)) continue; /* no fault for this call */
        rule->answered += 1;
        faults_met[native][call] += 1;
        if (rule->error == 0)
            *most = rule->most;
        else
            fault = rule->error;
        break;
    }
    errno = before;
    return fault;
}

#define CALLER __builtin_return_address(0)

/* Returns -1 from the caller if the call is to fail. */
#define MAY_FAIL(name, fd, most)                                  \
    do {                                                          \
        int fault = fault_of(CALL_##name, fd, CALLER, most);      \
        if (fault != 0) {                                         \
            errno = fault;                                        \
            return -1;                                            \
        }                                                         \
    } while (0)

/* Reading and writing. Of datagrams a shortened call would lose the rest, so tests do not ask for that. */

IN_PLACE_OF(ssize_t, recv, int fd, void *to, size_t most, int flags) {
    REAL(recv);
    MAY_FAIL(recv, fd, &most);
    return real(fd, to, most, flags);
}

IN_PLACE_OF(ssize_t, recvfrom, int fd, void *to, size_t most, int flags, void *address, socklen_t *length) {
    REAL(recvfrom);
    MAY_FAIL(recvfrom, fd, &most);
    return real(fd, to, most, flags, address, length);
}

IN_PLACE_OF(ssize_t, read, int fd, void *to, size_t most) {
    REAL(read);
    MAY_FAIL(read, fd, &most);
    return real(fd, to, most);
}

IN_PLACE_OF(ssize_t, send, int fd, const void *from, size_t most, int flags) {
    REAL(send);
    MAY_FAIL(send, fd, &most);
    return real(fd, from, most, flags);
}

IN_PLACE_OF(ssize_t, sendto, int fd, const void *from, size_t most, int flags, const void *address,
            socklen_t length) {
    REAL(sendto);
    MAY_FAIL(sendto, fd, &most);
    return real(fd, from, most, flags, address, length);
}

IN_PLACE_OF(ssize_t, write, int fd, const void *from, size_t most) {
    REAL(write);
    MAY_FAIL(write, fd, &most);
    return real(fd, from, most);
}

IN_PLACE_OF(ssize_t, sendfile, int to, int from, off_t *offset, size_t most) {
    REAL(sendfile);
    MAY_FAIL(sendfile, to, &most);
    return real(to, from, offset, most);
}

IN_PLACE_OF(ssize_t, sendfile64, int to, int from, off_t *offset, size_t most) {
    REAL(sendfile64);
    MAY_FAIL(sendfile, to, &most);
    return real(to, from, offset, most);
}

IN_PLACE_OF(ssize_t, splice, int from, off_t *from_offset, int to, off_t *to_offset, size_t most,
            unsigned flags) {
    REAL(splice);
    MAY_FAIL(splice, from, &most);
    return real(from, from_offset, to, to_offset, most, flags);
}

/* Fortified programs call these in place of the functions above. */

IN_PLACE_OF(ssize_t, __recv_chk, int fd, void *to, size_t most, size_t room, int flags) {
    REAL(__recv_chk);
    MAY_FAIL(recv, fd, &most);
    return real(fd, to, most, room, flags);
}

IN_PLACE_OF(ssize_t, __recvfrom_chk, int fd, void *to, size_t most, size_t room, int flags, void *address,
            socklen_t *length) {
    REAL(__recvfrom_chk);
    MAY_FAIL(recvfrom, fd, &most);
    return real(fd, to, most, room, flags, address, length);
}

IN_PLACE_OF(ssize_t, __read_chk, int fd, void *to, size_t most, size_t room) {
    REAL(__read_chk);
    MAY_FAIL(read, fd, &most);
    return real(fd, to, most, room);
}

/* Reading and writing in pieces. */

enum { MOST_PIECES = 1024 };

static size_t size_of(const struct iovec *pieces, size_t count) {
    size_t size = 0;
    for (size_t index = 0; index < count; index++) size += pieces[index].iov_len;
    return size;
}

/* Copies the pieces that hold the first `most` bytes; says how many they are. */
static size_t shortened(const struct iovec *pieces, size_t count, size_t most, struct iovec *copy) {
    size_t kept = 0;
    while (kept < count && kept < MOST_PIECES && most > 0) {
        copy[kept] = pieces[kept];
        if (copy[kept].iov_len > most) copy[kept].iov_len = most;
        most -= copy[kept].iov_len;
        kept += 1;
    }
    return kept;
}

#define IN_PIECES(name)                                                            \
    IN_PLACE_OF(ssize_t, name, int fd, const struct iovec *pieces, int count) {    \
        REAL(name);                                                                \
        size_t size = size_of(pieces, count), most = size;                         \
        MAY_FAIL(name, fd, &most);                                                 \
        if (most == size) return real(fd, pieces, count);                          \
        struct iovec copy[MOST_PIECES];                                            \
        return real(fd, copy, (int)shortened(pieces, count, most, copy));          \
    }

IN_PIECES(readv)
IN_PIECES(writev)

/* Native code reads and writes pipes with these, which may be told not to wait, where others call read and
 * write: counted as such. They are looked up by name, so they are not among the extension's imports. */
#define IN_PIECES_AT_ONCE(name, counted)                                                                \
    IN_PLACE_OF(ssize_t, name, int fd, const struct iovec *pieces, int count, off_t at, int flags) {    \
        REAL(name);                                                                                     \
        size_t size = size_of(pieces, count), most = size;                                              \
        MAY_FAIL(counted, fd, &most);                                                                   \
        if (most == size) return real(fd, pieces, count, at, flags);                                    \
        struct iovec copy[MOST_PIECES];                                                                 \
        return real(fd, copy, (int)shortened(pieces, count, most, copy), at, flags);                    \
    }

IN_PIECES_AT_ONCE(preadv64v2, read)
IN_PIECES_AT_ONCE(pwritev64v2, write)

#define AS_MESSAGE(name, constness)                                                              \
    IN_PLACE_OF(ssize_t, name, int fd, constness struct msghdr *message, int flags) {            \
        REAL(name);                                                                              \
        size_t size = size_of(message->msg_iov, message->msg_iovlen), most = size;               \
        MAY_FAIL(name, fd, &most);                                                               \
        if (most == size) return real(fd, message, flags);                                       \
        struct iovec copy[MOST_PIECES];                                                          \
        struct msghdr shorter = *message;                                                        \
        shorter.msg_iov = copy;                                                                  \
        shorter.msg_iovlen = shortened(message->msg_iov, message->msg_iovlen, most, copy);       \
        return real(fd, &shorter, flags);                                                        \
    }

AS_MESSAGE(recvmsg, )
AS_MESSAGE(sendmsg, const)

/* Connections. */

IN_PLACE_OF(int, connect, int fd, const void *address, socklen_t length) {
    REAL(connect);
    int fault = fault_of(CALL_connect, fd, CALLER, NULL);
    if (fault == 0) return real(fd, address, length);
    if (fault == EINTR) (void)real(fd, address, length);
    errno = fault;
    return -1;
}

static int accept_fault(enum call call, int fd, const void *caller) {
    int fault = fault_of(call, fd, caller, NULL);
    if (fault == ECONNABORTED) {
        int lost = (int)syscall(SYS_accept4, fd, NULL, NULL, SOCK_CLOEXEC);
        if (lost >= 0) syscall(SYS_close, lost);
    }
    return fault;
}

IN_PLACE_OF(int, accept, int fd, void *address, socklen_t *length) {
    REAL(accept);
    int fault = accept_fault(CALL_accept, fd, CALLER);
    if (fault == 0) return real(fd, address, length);
    errno = fault;
    return -1;
}

IN_PLACE_OF(int, accept4, int fd, void *address, socklen_t *length, int flags) {
    REAL(accept4);
    int fault = accept_fault(CALL_accept4, fd, CALLER);
    if (fault == 0) return real(fd, address, length, flags);
    errno = fault;
    return -1;
}

IN_PLACE_OF(int, close, int fd) {
    REAL(close);
    int fault = fault_of(CALL_close, fd, CALLER, NULL);
    int result = real(fd);
    if (fault == 0 || result < 0) return result;
    errno = fault;
    return -1;
}

/* Calls that do something or do not. */

#define ALL_OR_NOTHING(name, fd, arguments, ...)   \
    IN_PLACE_OF(int, name, __VA_ARGS__) {          \
        REAL(name);                                \
        MAY_FAIL(name, fd, NULL);                  \
        return real arguments;                     \
    }

ALL_OR_NOTHING(shutdown, fd, (fd, how), int fd, int how)
ALL_OR_NOTHING(socket, -1, (family, type, protocol), int family, int type, int protocol)
ALL_OR_NOTHING(socketpair, -1, (family, type, protocol, pair), int family, int type, int protocol, int *pair)
ALL_OR_NOTHING(pipe2, -1, (pair, flags), int *pair, int flags)
ALL_OR_NOTHING(bind, fd, (fd, address, length), int fd, const void *address, socklen_t length)
ALL_OR_NOTHING(listen, fd, (fd, backlog), int fd, int backlog)
ALL_OR_NOTHING(getsockopt, fd, (fd, level, option, value, length), int fd, int level, int option, void *value,
               socklen_t *length)
ALL_OR_NOTHING(setsockopt, fd, (fd, level, option, value, length), int fd, int level, int option,
               const void *value, socklen_t length)
ALL_OR_NOTHING(getsockname, fd, (fd, address, length), int fd, void *address, socklen_t *length)
ALL_OR_NOTHING(getpeername, fd, (fd, address, length), int fd, void *address, socklen_t *length)
ALL_OR_NOTHING(epoll_create1, -1, (flags), int flags)
ALL_OR_NOTHING(epoll_ctl, fd, (epoll, operation, fd, event), int epoll, int operation, int fd,
               struct epoll_event *event)
ALL_OR_NOTHING(eventfd, -1, (count, flags), unsigned count, int flags)

/* Waiting. Being allowed fewer events than there are is a fault as well. */

#define WAITING(name, arguments, ...)                                                   \
    IN_PLACE_OF(int, name, int fd, struct epoll_event *events, int room, __VA_ARGS__) { \
        REAL(name);                                                                     \
        size_t most = room > 0 ? (size_t)room : 0;                                      \
        MAY_FAIL(name, fd, &most);                                                      \
        if (room > 0) room = (int)most;                                                 \
        return real arguments;                                                          \
    }

WAITING(epoll_wait, (fd, events, room, milliseconds), int milliseconds)
WAITING(epoll_pwait, (fd, events, room, milliseconds, signals), int milliseconds, const void *signals)
WAITING(epoll_pwait2, (fd, events, room, timeout, signals), const struct timespec *timeout,
        const void *signals)

#define FIRST(polled, count) ((count) > 0 ? (polled)[0].fd : -1)

ALL_OR_NOTHING(poll, FIRST(polled, count), (polled, count, milliseconds), struct pollfd *polled, nfds_t count,
               int milliseconds)
ALL_OR_NOTHING(ppoll, FIRST(polled, count), (polled, count, timeout, signals), struct pollfd *polled,
               nfds_t count, const struct timespec *timeout, const void *signals)

IN_PLACE_OF(int, __poll_chk, struct pollfd *polled, nfds_t count, int milliseconds, size_t room) {
    REAL(__poll_chk);
    MAY_FAIL(poll, FIRST(polled, count), NULL);
    return real(polled, count, milliseconds, room);
}

/* Children. */

ALL_OR_NOTHING(waitpid, -1, (child, status, options), pid_t child, int *status, int options)
ALL_OR_NOTHING(waitid, -1, (type, child, about, options), int type, unsigned child, void *about, int options)
