// SPDX-License-Identifier: GPL-2.0-only
/* See util.h. */
#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "util.h"

void put32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

void put64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

bool all_bytes(const void *buf, int c, size_t len)
{
	const uint8_t *p = buf;

	while (len--)
		if (*p++ != c)
			return false;
	return true;
}

int random_bytes(void *buf, size_t len)
{
	return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -EIO;
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

bool wait_done(int *done, unsigned int ms)
{
	double end = now() + ms / 1000.0;

	while (!__atomic_load_n(done, __ATOMIC_ACQUIRE)) {
		if (now() > end)
			return false;
		sleep_ms(1);
	}
	return true;
}

uint8_t *guarded_alloc(size_t len)
{
	size_t map_len = (len + PAGE - 1) & ~(PAGE - 1);
	uint8_t *p = mmap(NULL, map_len + PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + map_len, PAGE, PROT_NONE))
		return NULL;
	memset(p, CANARY, map_len);
	return p + map_len - len;
}

void guarded_free(uint8_t *buf, size_t len)
{
	size_t map_len = (len + PAGE - 1) & ~(PAGE - 1);

	if (buf)
		munmap(buf + len - map_len, map_len + PAGE);
}

bool guard_intact(const uint8_t *buf)
{
	size_t len = (uintptr_t)buf & (PAGE - 1);

	return all_bytes(buf - len, CANARY, len);
}

void *no_access(size_t len)
{
	void *p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

unsigned long env_number(const char *name, unsigned long val)
{
	return getenv(name) ? strtoul(getenv(name), NULL, 0) : val;
}

int write_file(const char *path, const char *val)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, val, strlen(val)) != (ssize_t)strlen(val))
		ret = -errno;
	close(fd);
	return ret;
}

static void nop_handler(int sig)
{
	(void)sig;
}

void catch_signal(int sig)
{
	struct sigaction sa = { .sa_handler = nop_handler };

	sigaction(sig, &sa, NULL);
}
