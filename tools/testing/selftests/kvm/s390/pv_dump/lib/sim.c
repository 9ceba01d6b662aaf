// SPDX-License-Identifier: GPL-2.0-only
/* See sim.h. */
#include <fcntl.h>
#include <stdarg.h>

#include "sim.h"
#include "util.h"

static int sim_path(char *path, size_t len, const char *file)
{
	return snprintf(path, len, "/sys/kernel/debug/uvsim/%s", file) < (int)len ? 0 : -EINVAL;
}

int sim_write_raw(const char *file, const void *buf, size_t len)
{
	char path[64];
	ssize_t n;
	int fd, ret;

	ret = sim_path(path, sizeof(path), file);
	if (ret)
		return ret;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, buf, len);
	ret = n < 0 ? -errno : n == (ssize_t)len ? 0 : -EIO;
	close(fd);
	return ret;
}

int sim_sie_mode(const char *mode)
{
	return write_file("/sys/module/uvsim/parameters/sie", mode);
}

int sim_write(const char *file, const char *fmt, ...)
{
	char buf[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf) - 1, fmt, ap);
	va_end(ap);
	strcat(buf, "\n");
	return sim_write_raw(file, buf, strlen(buf));
}

int sim_read(const char *file, char *buf, size_t len)
{
	char path[64];
	size_t done = 0;
	ssize_t n;
	int fd, ret;

	ret = sim_path(path, sizeof(path), file);
	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + done, len - 1 - done)) > 0)
		done += n;
	ret = n < 0 ? -errno : done == len - 1 ? -E2BIG : 0;
	buf[done] = 0;
	close(fd);
	return ret;
}

/* Whoever asks takes the answer for a fact: there is no test without one. */
static void must_read(const char *file, char *buf, size_t len)
{
	int ret = sim_read(file, buf, len);

	if (!ret && buf[0])
		return;
	log_err("cannot read %s of the simulator: %d", file, ret);
	abort();
}

static bool find_number(const char *file, const char *key, long *val)
{
	char buf[16384], *line, *save;
	size_t len = strlen(key);

	must_read(file, buf, sizeof(buf));
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, key, len) && (line[len] == ' ' || line[len] == '=')) {
			*val = strtoul(line + len + 1, NULL, 0);
			return true;
		}
	}
	return false;
}

long sim_number(const char *file, const char *key)
{
	long val;

	if (find_number(file, key, &val))
		return val;
	log_err("no %s in %s of the simulator", key, file);
	abort();
}

long sim_calls(unsigned int uvc)
{
	char key[16];
	long val;

	/* calls that were not made have no line, but there is one for all of them */
	if (!sim_number("counters", "total"))
		return 0;
	snprintf(key, sizeof(key), "0x%04x", uvc);
	return find_number("counters", key, &val) ? val : 0;
}

long sim_dump_calls(void)
{
	char buf[4096], key[16], *p;
	unsigned int uvc;
	long sum = 0;

	must_read("counters", buf, sizeof(buf));
	if (!strstr(buf, "total")) {
		log_err("no total in the counters of the simulator");
		abort();
	}
	for (uvc = UVC_INIT; uvc <= UVC_COMPLETE; uvc++) {
		snprintf(key, sizeof(key), "0x%04x ", uvc);
		p = strstr(buf, key);
		if (p)
			sum += strtol(p + strlen(key), NULL, 0);
	}
	return sum;
}

long sim_sie(void)
{
	return sim_number("counters", "sie");
}

bool sim_sie_goes_on(void)
{
	double end = now() + LONG_ENOUGH;
	long sie = sim_sie();

	while (sim_sie() == sie) {
		if (now() > end)
			return false;
		sleep_ms(1);
	}
	return true;
}

long sim_hits(void)
{
	char buf[4096], *p;

	must_read("faults", buf, sizeof(buf));
	p = strstr(buf, "hits=");
	if (p)
		return strtol(p + 5, NULL, 0);
	log_err("there is no fault rule");
	abort();
}

long sim_violations(void)
{
	char buf[8192];

	must_read("violations", buf, sizeof(buf));
	return strtol(buf, NULL, 0);
}

long sim_objects(void)
{
	return sim_number("objects", "configs") + sim_number("objects", "cpus") +
	       sim_number("objects", "pages");
}

bool sim_no_objects(void)
{
	double end = now() + LONG_ENOUGH;

	while (sim_objects() != 0) {
		if (now() > end)
			return false;
		sleep_ms(2);
	}
	return true;
}

int sim_qui(const char *key, uint64_t *val)
{
	char buf[4096], *p, *e;
	size_t len = strlen(key);
	int ret = sim_read("qui", buf, sizeof(buf));

	if (ret)
		return ret;
	for (p = buf; p; p = e ? e + 1 : NULL) {
		e = strchr(p, '\n');
		if (!strncmp(p, key, len) && p[len] == '=') {
			*val = strtoull(p + len + 1, NULL, 16);
			return 0;
		}
	}
	return -ENOENT;
}

int sim_reset(void)
{
	if (!sim_no_objects()) {
		log_err("objects of an earlier VM are alive");
		return -EBUSY;
	}
	return sim_write("faults", "clear") ?: sim_write("qui", "reset") ?:
	       sim_write("script", "clear") ?: sim_write("header_keys", "clear") ?:
	       sim_write("counters", "0") ?: sim_sie_mode("script");
}
