/* Preloaded into the benchmark's own process: counts fsync and fdatasync, sleeps after each one
   when asked to (a slower disk), and counts round trips: a send that follows a receive on the same
   socket. Nothing is faked: every call reaches the kernel. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKETS = 4096 };

atomic_long bench_fsyncs;
atomic_long bench_round_trips;
atomic_long bench_delay_us;
static atomic_char received[SOCKETS];

static int counted(int fd, const char *name)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
	int result = real(fd);
	long delay = atomic_load(&bench_delay_us);

	atomic_fetch_add(&bench_fsyncs, 1);
	if (delay > 0)
		usleep((useconds_t)delay);
	return result;
}

int fsync(int fd) { return counted(fd, "fsync"); }
int fdatasync(int fd) { return counted(fd, "fdatasync"); }

ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
	static ssize_t (*real)(int, const void *, size_t, int);

	if (!real)
		real = (ssize_t (*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
	if (fd >= 0 && fd < SOCKETS && atomic_exchange(&received[fd], 0))
		atomic_fetch_add(&bench_round_trips, 1);
	return real(fd, bytes, count, flags);
}

ssize_t recv(int fd, void *bytes, size_t count, int flags)
{
	static ssize_t (*real)(int, void *, size_t, int);
	ssize_t result;

	if (!real)
		real = (ssize_t (*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
	result = real(fd, bytes, count, flags);
	if (result > 0 && fd >= 0 && fd < SOCKETS)
		atomic_store(&received[fd], 1);
	return result;
}
