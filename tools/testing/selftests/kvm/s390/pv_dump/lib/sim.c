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
	while (done < len - 1 && (n = read(fd, buf + done, len - 1 - done)) > 0)
		done += n;
	buf[done] = 0;
	close(fd);
	return 0;
}

long sim_number(const char *file, const char *key)
{
	static char buf[16384];
	char *line, *save;

	if (sim_read(file, buf, sizeof(buf)))
		return -1;
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t len = strlen(key);

		if (!strncmp(line, key, len) && (line[len] == ' ' || line[len] == '='))
			return strtoul(line + len + 1, NULL, 0);
	}
	return -1;
}

long sim_calls(unsigned int uvc)
{
	char key[16];
	long n;

	snprintf(key, sizeof(key), "0x%04x", uvc);
	n = sim_number("counters", key);
	return n < 0 ? 0 : n;
}

long sim_dump_calls(void)
{
	return sim_calls(UVC_INIT) + sim_calls(UVC_STOR_STATE) + sim_calls(UVC_CPU) +
	       sim_calls(UVC_COMPLETE);
}

long sim_sie(void)
{
	long n = sim_number("counters", "sie");

	return n < 0 ? 0 : n;
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

	if (sim_read("faults", buf, sizeof(buf)))
		return -1;
	p = strstr(buf, "hits=");
	return p ? strtol(p + 5, NULL, 0) : -1;
}

long sim_violations(void)
{
	char buf[8192];

	if (sim_read("violations", buf, sizeof(buf)))
		return -1;
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
	       sim_write("counters", "0");
}
