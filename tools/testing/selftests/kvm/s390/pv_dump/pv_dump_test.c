// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dump of protected VMs: KVM_PV_INFO and KVM_PV_DUMP of KVM_S390_PV_COMMAND and
 * KVM_S390_PV_CPU_COMMAND, from the creation of a protected VM to the decrypted
 * plaintext of its memory and registers.
 *
 * With the Ultravisor simulator (module uvsim, debugfs uvsim/) the test makes a
 * Secure Execution image of its own, knows every key and byte, and can make each
 * Ultravisor call fail. With a real Ultravisor PV_DUMP_IMAGE names a Secure
 * Execution image for this machine that allows dumps and PV_DUMP_CCK a file with
 * its customer communication key (32 bytes); what needs the simulator is then
 * skipped.
 *
 * Mainline's implementation fails some cases. The option --gentle skips those that
 * would crash its kernel, or that it fails by chance only.
 *
 * --only REGEX runs the tests whose name, FIXTURE.VARIANT.TEST, matches.
 *
 * Defects that other implementations had, W numbers as in the cover letter of the
 * series, and the tests that fail if there is one:
 *
 *  W1	disable_ends_the_dump, new_life_after_disable,
 *	disable_drops_data_not_delivered
 *  W2	crypto_attribute_does_not_unblock,
 *	crypto_attribute_does_not_let_running_vcpus_run
 *  W3	init_makes_running_vcpus_leave, init_makes_waiting_vcpus_leave,
 *	kvm_run_einval, kvm_run_with_immediate_exit_einval
 *  W4	complete_efault_keeps_the_data, nothing_but_complete_after_complete_efault
 *  W5	cpu_dump_in_the_middle_of_disable, complete_waits_for_a_cpu_dump,
 *	end_and_new_dump_race_with_dump_calls,
 *	disable_and_new_life_race_with_dump_calls
 *  W6	sigkill_ends_a_million_blocks_within_one,
 *	vm_ioctls_do_not_wait_for_all_of_stor_state
 *  W7	stor_state_resumes_after_a_uv_error,
 *	stor_state_efault_tells_how_far_it_came, stor_state_beyond_the_guest_einval,
 *	fault_in_a_later_part_of_the_request
 *  W8	stor_state_takes_little_memory
 *  W9	qui.*.capability_is_off_or_right
 *  W11	new_vcpu_is_blocked_and_dumpable
 *  W12	stor_state_address_must_be_on_a_mib, stor_state_length_must_be_a_multiple
 *  W13	stor_state_success_leaves_the_structure_alone
 *  W15	info_leaves_cpu_state_to_kvm
 *  W16	qui.no_*_call.capability_is_off_or_right
 *  W17	sigkill_ends_*_of_a_busy_ultravisor
 *  W18	tracepoints_tell_each_step
 *  W19	sysfs_tells_what_info_tells, cpu_rc_is_at_offset_4
 */
#define _GNU_SOURCE	/* sched_setaffinity() */

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_alg.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

#include "kselftest_harness.h"

#ifndef SOL_ALG
#define SOL_ALG 279
#endif

/* KVM_CAP_S390_PROTECTED_ASYNC_DISABLE, which not all headers have */
#define CAP_ASYNC_DISABLE	224

#define PAGE		4096UL
#define MIB		0x100000UL
#define BLOCK_PAGES	(MIB / PAGE)

#define MAX_CPUS	8
#define MAX_COMPS	16

/* What rc and rrc hold before a call; UV calls never answer this. */
#define RC_UNTOUCHED	0x5aa5
#define RRC_UNTOUCHED	0xa55a
#define CANARY		0xc7

/* UV calls, as the simulator counts and fails them */
#define UVC_CREATE_CPU	0x0120
#define UVC_DESTROY_CPU	0x0121
#define UVC_INIT	0x0400
#define UVC_STOR_STATE	0x0401
#define UVC_CPU		0x0402
#define UVC_COMPLETE	0x0403

#define PCF_PCKMO	0x00000000000000e0ULL
#define PCF_DUMP	0x0000000020000000ULL
#define PCF_PLAIN	0x0000000010000000ULL

/* Layout of the encrypted dump data */
#define COMPL_LEN	288
#define COMPL_AAD	96
#define COMPL_SEED	16
#define COMPL_IV	80
#define CPU_LEN		1568
#define CPU_AAD		32
#define CPU_IV		8
#define CPU_REGS_LEN	1520
#define TAG_LEN		16
#define IV_LEN		12

/* Seconds to wait for what has to happen, on the slowest of machines */
#define LONG_ENOUGH	20

#define log_err(fmt, ...) \
	fprintf(stderr, "# %s:%d: " fmt "\n", __func__, __LINE__, ##__VA_ARGS__)

static struct {
	int kvm;		/* /dev/kvm */
	bool sim;		/* the simulator is there */
	bool gentle;		/* --gentle */
	const char *image;	/* image for a real Ultravisor */
} env;

static bool no_sim(struct __test_metadata *_metadata)
{
	if (!env.sim)
		SKIP(return true, "needs the Ultravisor simulator (uvsim)");
	return false;
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static bool all_bytes(const void *buf, int c, size_t len)
{
	const uint8_t *p = buf;

	while (len--)
		if (*p++ != c)
			return false;
	return true;
}

static int random_bytes(void *buf, size_t len)
{
	return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -EIO;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Crypto: all of it by the kernel's AF_ALG, so that no library is needed. */

static int alg_open(const char *type, const char *name, const void *key, size_t keylen,
		    size_t taglen)
{
	struct sockaddr_alg sa = { .salg_family = AF_ALG };
	int tfm, op, ret;

	strncpy((char *)sa.salg_type, type, sizeof(sa.salg_type) - 1);
	strncpy((char *)sa.salg_name, name, sizeof(sa.salg_name) - 1);
	tfm = socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (tfm < 0)
		return -errno;
	if (bind(tfm, (struct sockaddr *)&sa, sizeof(sa)) ||
	    (keylen && setsockopt(tfm, SOL_ALG, ALG_SET_KEY, key, keylen)) ||
	    (taglen && setsockopt(tfm, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, NULL, taglen))) {
		ret = -errno;
	} else {
		op = accept(tfm, NULL, NULL);
		ret = op < 0 ? -errno : op;
	}
	close(tfm);
	return ret;
}

static int alg_hash(const char *name, const void *key, size_t keylen, const void *data,
		    size_t len, uint8_t out[64])
{
	int op = alg_open("hash", name, key, keylen, 0);
	int ret = 0;

	if (op < 0)
		return op;
	if (send(op, data, len, 0) != (ssize_t)len || read(op, out, 64) != 64)
		ret = -EIO;
	close(op);
	return ret;
}

static int alg_crypt(int op, bool encrypt, const void *iv, size_t ivlen, size_t aadlen,
		     const void *in, size_t inlen, void *out, size_t outlen)
{
	char ctl[CMSG_SPACE(4) + CMSG_SPACE(sizeof(struct af_alg_iv) + 16) + CMSG_SPACE(4)] = {};
	struct iovec iov = { (void *)in, inlen };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = ctl, .msg_controllen = CMSG_SPACE(4) +
			CMSG_SPACE(sizeof(struct af_alg_iv) + ivlen) + CMSG_SPACE(4),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct af_alg_iv *aiv;
	ssize_t n;

	c->cmsg_level = SOL_ALG;
	c->cmsg_type = ALG_SET_OP;
	c->cmsg_len = CMSG_LEN(4);
	*(uint32_t *)CMSG_DATA(c) = encrypt ? ALG_OP_ENCRYPT : ALG_OP_DECRYPT;
	c = CMSG_NXTHDR(&msg, c);
	c->cmsg_level = SOL_ALG;
	c->cmsg_type = ALG_SET_IV;
	c->cmsg_len = CMSG_LEN(sizeof(*aiv) + ivlen);
	aiv = (struct af_alg_iv *)CMSG_DATA(c);
	aiv->ivlen = ivlen;
	memcpy(aiv->iv, iv, ivlen);
	c = CMSG_NXTHDR(&msg, c);
	c->cmsg_level = SOL_ALG;
	c->cmsg_type = ALG_SET_AEAD_ASSOCLEN;
	c->cmsg_len = CMSG_LEN(4);
	*(uint32_t *)CMSG_DATA(c) = aadlen;

	n = sendmsg(op, &msg, 0);
	if (n != (ssize_t)inlen)
		return n < 0 ? -errno : -EIO;
	n = read(op, out, outlen);
	if (n != (ssize_t)outlen)
		return n < 0 ? -errno : -EIO;
	return 0;
}

/* AES-256-GCM; @buf holds AAD, text and room for or contents of the tag. */
static int gcm_crypt(bool encrypt, const uint8_t key[32], const uint8_t *iv, uint8_t *buf,
		     size_t aadlen, size_t len)
{
	size_t in = aadlen + len + (encrypt ? 0 : TAG_LEN);
	size_t outlen = aadlen + len + (encrypt ? TAG_LEN : 0);
	uint8_t *out = malloc(outlen);
	int op = alg_open("aead", "gcm(aes)", key, 32, TAG_LEN);
	int ret = op;

	if (op >= 0) {
		ret = out ? alg_crypt(op, encrypt, iv, IV_LEN, aadlen, buf, in, out, outlen) :
			    -ENOMEM;
		close(op);
	}
	if (!ret)
		memcpy(buf + aadlen, out + aadlen, outlen - aadlen);
	free(out);
	return ret;
}

/* HKDF-SHA512 with the label of the dump key; one block of output is enough. */
static int dump_key(const uint8_t cck[32], const uint8_t seed[64], uint8_t key[32])
{
	static const char info[] = "IBM Z Ultravisor Dump\x01";
	uint8_t prk[64], okm[64];
	int ret;

	ret = alg_hash("hmac(sha512)", seed, 64, cck, 32, prk);
	if (!ret)
		ret = alg_hash("hmac(sha512)", prk, 64, info, sizeof(info) - 1, okm);
	memcpy(key, okm, 32);
	return ret;
}

/* The simulator's control files */

static int sim_path(char *path, size_t len, const char *file)
{
	return snprintf(path, len, "/sys/kernel/debug/uvsim/%s", file) < (int)len ? 0 : -EINVAL;
}

static int sim_write_raw(const char *file, const void *buf, size_t len)
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

static int sim_write(const char *file, const char *fmt, ...)
{
	char buf[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf) - 1, fmt, ap);
	va_end(ap);
	strcat(buf, "\n");
	return sim_write_raw(file, buf, strlen(buf));
}

static int sim_read(const char *file, char *buf, size_t len)
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

/* First number behind the @nth word of the line that starts with @key, or -1. */
static long sim_number(const char *file, const char *key)
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

static long sim_calls(unsigned int uvc)
{
	char key[16];
	long n;

	snprintf(key, sizeof(key), "0x%04x", uvc);
	n = sim_number("counters", key);
	return n < 0 ? 0 : n;
}

static long sim_dump_calls(void)
{
	return sim_calls(UVC_INIT) + sim_calls(UVC_STOR_STATE) + sim_calls(UVC_CPU) +
	       sim_calls(UVC_COMPLETE);
}

static long sim_sie(void)
{
	long n = sim_number("counters", "sie");

	return n < 0 ? 0 : n;
}

/* How often the first fault rule applied, also to a call that is not over yet */
static long sim_hits(void)
{
	char buf[4096], *p;

	if (sim_read("faults", buf, sizeof(buf)))
		return -1;
	p = strstr(buf, "hits=");
	return p ? strtol(p + 5, NULL, 0) : -1;
}

static long sim_violations(void)
{
	char buf[8192];

	if (sim_read("violations", buf, sizeof(buf)))
		return -1;
	return strtol(buf, NULL, 0);
}

static long sim_objects(void)
{
	return sim_number("objects", "configs") + sim_number("objects", "cpus") +
	       sim_number("objects", "pages");
}

/* Objects go away when the last reference to the VM is dropped, a moment after close(). */
static bool sim_no_objects(void)
{
	double end = now() + LONG_ENOUGH;

	while (sim_objects() != 0) {
		if (now() > end)
			return false;
		sleep_ms(2);
	}
	return true;
}

static int sim_qui(const char *key, uint64_t *val)
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

/* Every test starts from the same simulator, whatever the one before it left. */
static int sim_reset(void)
{
	if (!sim_no_objects()) {
		log_err("objects of an earlier VM are alive");
		return -EBUSY;
	}
	return sim_write("faults", "clear") ?: sim_write("qui", "reset") ?:
	       sim_write("script", "clear") ?: sim_write("header_keys", "clear") ?:
	       sim_write("counters", "0");
}

/* Secure Execution images */

struct comp {
	uint64_t tweak, addr, size;
	const uint8_t *plain;		/* NULL: not known */
	const uint8_t *image;		/* what UNPACK is given */
};

struct image {
	uint8_t header[2 * PAGE];
	size_t header_len;
	uint8_t cck[32];
	unsigned int nr_comps;
	struct comp comp[MAX_COMPS];
	size_t mem_size;
};

#define HDR_LEN		640
#define HDR_AAD		496
#define HDR_ENC		128

static void image_plaintext(uint8_t *p, uint64_t addr, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (i * 7 + (i >> 8) + (addr >> 12) * 13) & 0xff;
}

/* An image with components below, between and across 1 MiB blocks and at the end. */
static int image_build(struct image *img, size_t mem_size, uint64_t pcf)
{
	const uint64_t addr[] = { 0x10000, 0x80000, 0x1ff000, mem_size - PAGE };
	const uint64_t size[] = { 3 * PAGE, PAGE, 2 * PAGE, PAGE };
	uint8_t *pld, *ald, *tld, *h = img->header;
	uint8_t header_key[32], xts[64], hex[2][65];
	uint64_t nep = 0, page;
	unsigned int i, k;
	int op, ret;

	memset(img, 0, sizeof(*img));
	img->mem_size = mem_size;
	img->header_len = HDR_LEN;
	img->nr_comps = ARRAY_SIZE(addr);
	pld = malloc(16 * PAGE);
	ald = malloc(16 * 8);
	tld = malloc(16 * 16);
	if (!pld || !ald || !tld)
		return -ENOMEM;
	ret = random_bytes(img->cck, sizeof(img->cck)) ?:
	      random_bytes(header_key, sizeof(header_key)) ?: random_bytes(xts, sizeof(xts));
	if (ret)
		return ret;
	op = alg_open("skcipher", "xts(aes)", xts, sizeof(xts), 0);
	if (op < 0)
		return op;
	for (i = 0; i < img->nr_comps; i++) {
		struct comp *c = &img->comp[i];
		uint8_t *plain = malloc(size[i]), *enc = malloc(size[i]);

		if (!plain || !enc)
			return -ENOMEM;
		c->addr = addr[i];
		c->size = size[i];
		c->tweak = ((uint64_t)i << 48) + 0xaabbccddee00 + i;
		image_plaintext(plain, c->addr, c->size);
		/* zeros the owner encrypted are no zero page */
		if (i == 1)
			memset(plain, 0, PAGE);
		for (page = 0; page < c->size; page += PAGE, nep++) {
			uint8_t iv[16];

			put64(iv, c->tweak);
			put64(iv + 8, page);
			if (pcf & PCF_PLAIN)
				memcpy(enc + page, plain + page, PAGE);
			else
				ret = alg_crypt(op, true, iv, 16, 0, plain + page, PAGE,
						enc + page, PAGE);
			if (ret)
				return ret;
			memcpy(pld + nep * PAGE, enc + page, PAGE);
			put64(ald + nep * 8, c->addr + page);
			memcpy(tld + nep * 16, iv, 16);
		}
		c->plain = plain;
		c->image = enc;
	}
	close(op);

	memcpy(h, "IBMSecEx", 8);
	put32(h + 8, 0x100);
	put32(h + 12, HDR_LEN);
	ret = random_bytes(h + 16, IV_LEN);
	put64(h + 32, 1);
	put64(h + 40, HDR_ENC);
	put64(h + 48, nep);
	put64(h + 56, pcf);
	/* customer key and key slot: only their place matters, the key comes by debugfs */
	ret = ret ?: random_bytes(h + 64, 160) ?: random_bytes(h + 416, 80) ?:
	      alg_hash("sha512", NULL, 0, pld, nep * PAGE, h + 224) ?:
	      alg_hash("sha512", NULL, 0, ald, nep * 8, h + 288) ?:
	      alg_hash("sha512", NULL, 0, tld, nep * 16, h + 352);
	memcpy(h + HDR_AAD, img->cck, 32);
	memcpy(h + HDR_AAD + 32, xts, 64);
	put64(h + HDR_AAD + 96, 0x0000000180000000);
	put64(h + HDR_AAD + 104, addr[0]);
	ret = ret ?: gcm_crypt(true, header_key, h + 16, h, HDR_AAD, HDR_ENC);
	if (ret)
		return ret;
	for (i = 0; i < 2; i++)
		for (k = 0; k < 32; k++)
			sprintf((char *)hex[i] + 2 * k, "%02x", i ? header_key[k] : h[416 + k]);
	free(pld);
	free(ald);
	free(tld);
	return sim_write("header_keys", "%s %s", hex[0], hex[1]);
}

/* The image of PV_DUMP_IMAGE: header by its magic, components by its IPL block. */
static int image_load(struct image *img)
{
	const char *cck = getenv("PV_DUMP_CCK");
	uint8_t *file, *ipib = NULL;
	struct stat st;
	size_t off, end = 0;
	unsigned int i;
	int fd;

	memset(img, 0, sizeof(*img));
	fd = open(cck ?: "", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, img->cck, 32) != 32) {
		log_err("PV_DUMP_CCK must name a file with 32 bytes");
		return -EINVAL;
	}
	close(fd);
	fd = open(env.image ?: "", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return -errno;
	for (off = 0; off + PAGE <= (size_t)st.st_size; off += PAGE) {
		const uint8_t *p = file + off;

		if (!img->header_len && !memcmp(p, "IBMSecEx", 8))
			img->header_len = get32(p + 12);
		if (!ipib && get32(p) == PAGE && p[7] == 1 && p[12] == 5)
			ipib = file + off;
		if (img->header_len && !end) {
			end = off;
			if (img->header_len > sizeof(img->header) ||
			    off + img->header_len > (size_t)st.st_size)
				return -EINVAL;
			memcpy(img->header, p, img->header_len);
		}
	}
	if (!img->header_len || !ipib)
		return -EINVAL;
	end = 0;
	img->nr_comps = get32(ipib + 0x74);
	if (!img->nr_comps || img->nr_comps > MAX_COMPS)
		return -EINVAL;
	for (i = 0; i < img->nr_comps; i++) {
		struct comp *c = &img->comp[i];
		const uint8_t *p = ipib + 0x88 + 24 * i;

		c->tweak = get64(p);
		c->addr = get64(p + 8);
		c->size = (get64(p + 16) + PAGE - 1) & ~(PAGE - 1);
		if (c->addr + c->size > (size_t)st.st_size)
			return -EINVAL;
		c->image = file + c->addr;
		if (c->addr + c->size > end)
			end = c->addr + c->size;
	}
	img->mem_size = (end + 2 * MIB - 1) & ~(MIB - 1);
	return 0;
}

/* VMs. All helpers return 0 or -errno. */

struct vm {
	int fd;
	unsigned int nr_cpus;
	int cpu[MAX_CPUS];
	struct kvm_run *run[MAX_CPUS];
	uint8_t *mem;
	size_t size;
	struct image *img;
	struct kvm_s390_pv_info_dump len;
	/* the structures of the last call, as they came back */
	struct kvm_pv_cmd cmd;
	struct kvm_s390_pv_dmp dmp;
};

struct vm_opts {
	unsigned int mib;
	unsigned int cpus;
	unsigned int slots;
	uint64_t pcf;
};

enum stage {
	STAGE_VM,
	STAGE_ENABLED,
	STAGE_HEADER,
	STAGE_UNPACKED,
	STAGE_VERIFIED,
	STAGE_DUMPING,
};

static int xioctl(int fd, unsigned long nr, void *arg)
{
	return ioctl(fd, nr, arg) < 0 ? -errno : 0;
}

/*
 * Nothing but rc and rrc of the command may change. -EBADE stands for a broken
 * structure, no kernel answers that.
 */
static int pv_ioctl(int fd, unsigned long nr, struct kvm_pv_cmd *cmd)
{
	struct kvm_pv_cmd before = *cmd;
	int ret = xioctl(fd, nr, cmd);

	before.rc = cmd->rc;
	before.rrc = cmd->rrc;
	if (memcmp(&before, cmd, sizeof(before))) {
		log_err("the ioctl changed the command: cmd %x flags %x", cmd->cmd, cmd->flags);
		return -EBADE;
	}
	return ret;
}

static int pv(struct vm *vm, uint32_t cmd, void *data)
{
	vm->cmd = (struct kvm_pv_cmd) {
		.cmd = cmd, .data = (uintptr_t)data,
		.rc = RC_UNTOUCHED, .rrc = RRC_UNTOUCHED,
	};
	return pv_ioctl(vm->fd, KVM_S390_PV_COMMAND, &vm->cmd);
}

static bool rc_untouched(const struct vm *vm)
{
	return vm->cmd.rc == RC_UNTOUCHED && vm->cmd.rrc == RRC_UNTOUCHED;
}

static int dmp_ioctl(struct vm *vm, int fd, unsigned long nr)
{
	struct kvm_s390_pv_dmp before = vm->dmp;
	int ret;

	vm->cmd = (struct kvm_pv_cmd) {
		.cmd = KVM_PV_DUMP, .data = (uintptr_t)&vm->dmp,
		.rc = RC_UNTOUCHED, .rrc = RRC_UNTOUCHED,
	};
	ret = pv_ioctl(fd, nr, &vm->cmd);
	if (ret && before.subcmd == KVM_PV_DUMP_CONFIG_STOR_STATE)
		before.gaddr = vm->dmp.gaddr;
	if (memcmp(&before, &vm->dmp, sizeof(before))) {
		log_err("subcommand %llu changed its structure", before.subcmd);
		return -EBADE;
	}
	return ret;
}

static int dmp(struct vm *vm, uint64_t subcmd, void *buf, uint64_t len, uint64_t gaddr)
{
	vm->dmp = (struct kvm_s390_pv_dmp) {
		.subcmd = subcmd, .buff_addr = (uintptr_t)buf, .buff_len = len, .gaddr = gaddr,
	};
	return dmp_ioctl(vm, vm->fd, KVM_S390_PV_COMMAND);
}

static int dump_init(struct vm *vm)
{
	return dmp(vm, KVM_PV_DUMP_INIT, NULL, 0, 0);
}

static int dump_stor(struct vm *vm, void *buf, uint64_t len, uint64_t gaddr)
{
	return dmp(vm, KVM_PV_DUMP_CONFIG_STOR_STATE, buf, len, gaddr);
}

static int dump_complete(struct vm *vm, void *buf, uint64_t len)
{
	return dmp(vm, KVM_PV_DUMP_COMPLETE, buf, len, 0);
}

static int cpu_dmp(struct vm *vm, unsigned int cpu, uint64_t subcmd, void *buf, uint64_t len)
{
	vm->dmp = (struct kvm_s390_pv_dmp) {
		.subcmd = subcmd, .buff_addr = (uintptr_t)buf, .buff_len = len,
	};
	return dmp_ioctl(vm, vm->cpu[cpu], KVM_S390_PV_CPU_COMMAND);
}

static int dump_cpu(struct vm *vm, unsigned int cpu, void *buf)
{
	return cpu_dmp(vm, cpu, KVM_PV_DUMP_CPU, buf, vm->len.dump_cpu_buffer_len);
}

static int pv_info_dump(struct vm *vm)
{
	struct kvm_s390_pv_info info = {
		.header.id = KVM_PV_INFO_DUMP,
		.header.len_max = sizeof(info.header) + sizeof(info.dump),
	};
	int ret = pv(vm, KVM_PV_INFO, &info);

	vm->len = info.dump;
	return ret;
}

static void nop_handler(int sig)
{
	(void)sig;
}

/* Without SA_RESTART: a caught signal ends KVM_RUN. */
static void catch_signal(int sig)
{
	struct sigaction sa = { .sa_handler = nop_handler };

	sigaction(sig, &sa, NULL);
}

static int vm_add_cpu(struct vm *vm)
{
	unsigned int i = vm->nr_cpus;
	int fd, size = ioctl(env.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < 0)
		return -errno;
	fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)i);
	if (fd < 0)
		return -errno;
	vm->run[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (vm->run[i] == MAP_FAILED)
		return -errno;
	vm->cpu[i] = fd;
	vm->nr_cpus++;
	return 0;
}

static int vm_create(struct vm *vm, const struct vm_opts *o)
{
	unsigned int i, slots = o->slots ?: 1;
	size_t part;
	uint8_t *map;
	int ret;

	memset(vm, 0, sizeof(*vm));
	vm->size = o->mib * MIB;
	part = vm->size / slots;
	vm->fd = ioctl(env.kvm, KVM_CREATE_VM, 0UL);
	if (vm->fd < 0)
		return -errno;
	map = mmap(NULL, vm->size + MIB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	vm->mem = (uint8_t *)(((uintptr_t)map + MIB - 1) & ~(MIB - 1));
	for (i = 0; i < slots; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = i * part,
			.memory_size = part,
			.userspace_addr = (uintptr_t)vm->mem + i * part,
		};

		ret = xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
		if (ret)
			return ret;
	}
	for (i = 0; i < o->cpus; i++) {
		ret = vm_add_cpu(vm);
		if (ret)
			return ret;
	}
	return pv_info_dump(vm);
}

static void vm_close_cpus(struct vm *vm)
{
	int size = ioctl(env.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	while (vm->nr_cpus) {
		vm->nr_cpus--;
		munmap(vm->run[vm->nr_cpus], size);
		close(vm->cpu[vm->nr_cpus]);
	}
}

static void vm_close(struct vm *vm)
{
	vm_close_cpus(vm);
	if (vm->fd > 0)
		close(vm->fd);
	vm->fd = -1;
}

static int vm_set_state(struct vm *vm, unsigned int cpu, uint32_t state)
{
	struct kvm_mp_state mp = { .mp_state = state };

	return xioctl(vm->cpu[cpu], KVM_SET_MP_STATE, &mp);
}

/*
 * LOAD gives the first vcpu its PSW, it does not start it. The simulator's guests
 * have no use for a PSW, so all of their vcpus can run.
 */
static int vm_start_cpus(struct vm *vm)
{
	unsigned int i, n = env.sim ? vm->nr_cpus : 1;
	int ret = vm_set_state(vm, 0, KVM_MP_STATE_LOAD);

	for (i = 0; i < n && !ret; i++)
		ret = vm_set_state(vm, i, KVM_MP_STATE_OPERATING);
	return ret;
}

static int step(const struct vm *vm, const char *what, int ret)
{
	if (ret)
		log_err("%s: %d rc %x rrc %x", what, ret, vm->cmd.rc, vm->cmd.rrc);
	return ret;
}

#define STEP(what) step(vm, #what, what)

/* From an ordinary VM to @stage, as a VMM does it for diagnose 308 subcode 10. */
static int vm_protect(struct vm *vm, struct image *img, enum stage stage)
{
	struct kvm_s390_pv_sec_parm parm = {
		.origin = (uintptr_t)img->header, .length = img->header_len,
	};
	unsigned int i;
	int ret;

	vm->img = img;
	if (stage < STAGE_ENABLED)
		return 0;
	ret = STEP(pv(vm, KVM_PV_ENABLE, NULL));
	if (ret || stage < STAGE_HEADER)
		return ret;
	ret = STEP(pv(vm, KVM_PV_SET_SEC_PARMS, &parm));
	if (ret || stage < STAGE_UNPACKED)
		return ret;
	for (i = 0; i < img->nr_comps; i++) {
		const struct comp *c = &img->comp[i];
		struct kvm_s390_pv_unp unp = {
			.addr = c->addr, .size = c->size, .tweak = c->tweak,
		};

		memcpy(vm->mem + c->addr, c->image, c->size);
		ret = STEP(pv(vm, KVM_PV_UNPACK, &unp));
		if (ret)
			return ret;
	}
	if (stage < STAGE_VERIFIED)
		return 0;
	ret = STEP(pv(vm, KVM_PV_VERIFY, NULL)) ?: STEP(vm_start_cpus(vm));
	if (ret || stage < STAGE_DUMPING)
		return ret;
	return STEP(dump_init(vm));
}

/*
 * Enter the guest for about @ms. -EINTR or 0 (an exit user space would have to
 * handle) say that the vcpu is free to run.
 */
static int vm_run(struct vm *vm, unsigned int cpu, unsigned int ms)
{
	/* periodic: the first one may come before KVM_RUN is entered */
	struct itimerval it = {
		.it_value.tv_usec = ms * 1000, .it_interval.tv_usec = ms * 1000,
	};
	struct itimerval off = {};
	int ret;

	catch_signal(SIGALRM);
	vm->run[cpu]->exit_reason = KVM_EXIT_UNKNOWN;
	setitimer(ITIMER_REAL, &it, NULL);
	ret = xioctl(vm->cpu[cpu], KVM_RUN, NULL);
	setitimer(ITIMER_REAL, &off, NULL);
	return ret;
}

/* On a slow machine a signal may come before SIE, which proves nothing yet. */
static bool vm_runs(struct vm *vm, unsigned int cpu)
{
	long sie = env.sim ? sim_sie() : 0;
	bool entered = !env.sim;
	unsigned int ms = 20;
	int ret;

	do {
		ret = vm_run(vm, cpu, ms);
		ms *= 2;
		entered |= env.sim && sim_sie() != sie;
	} while (ret == -EINTR && !entered && ms < 1000);
	if (!entered || (ret != 0 && ret != -EINTR))
		log_err("KVM_RUN: %d, SIE was %sentered", ret, entered ? "" : "not ");
	return entered && (ret == 0 || ret == -EINTR);
}

/* A thread that sits in KVM_RUN */
struct runner {
	pthread_t thread;
	int fd;
	int ret;
	int stop;
	int done;
};

static void *runner_fn(void *arg)
{
	struct runner *r = arg;

	r->ret = xioctl(r->fd, KVM_RUN, NULL);
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Returns when the thread is inside: KVM takes note of the dirty registers behind its checks. */
static int runner_start(struct runner *r, struct vm *vm, unsigned int cpu)
{
	double end = now() + LONG_ENOUGH;
	int ret;

	memset(r, 0, sizeof(*r));
	catch_signal(SIGUSR1);
	r->fd = vm->cpu[cpu];
	vm->run[cpu]->kvm_dirty_regs = KVM_SYNC_GPRS;
	ret = -pthread_create(&r->thread, NULL, runner_fn, r);
	while (!ret && __atomic_load_n(&vm->run[cpu]->kvm_dirty_regs, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&r->done, __ATOMIC_ACQUIRE) || now() > end)
			return -ETIME;
		sleep_ms(1);
	}
	return ret;
}

static bool wait_done(int *done, unsigned int ms)
{
	double end = now() + ms / 1000.0;

	while (!__atomic_load_n(done, __ATOMIC_ACQUIRE)) {
		if (now() > end)
			return false;
		sleep_ms(1);
	}
	return true;
}

/* A thread that enters KVM_RUN again and again, once at least */
static void *rerun_fn(void *arg)
{
	struct runner *r = arg;

	do
		r->ret = xioctl(r->fd, KVM_RUN, NULL);
	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE));
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int rerunner_start(struct runner *r, struct vm *vm, unsigned int cpu)
{
	memset(r, 0, sizeof(*r));
	catch_signal(SIGUSR1);
	r->fd = vm->cpu[cpu];
	return -pthread_create(&r->thread, NULL, rerun_fn, r);
}

/* True when the thread left by itself within @ms; it is gone afterwards in any case. */
static bool runner_join(struct runner *r, unsigned int ms)
{
	bool ok;

	__atomic_store_n(&r->stop, 1, __ATOMIC_RELEASE);
	ok = wait_done(&r->done, ms);

	while (!wait_done(&r->done, 10))
		pthread_kill(r->thread, SIGUSR1);
	pthread_join(r->thread, NULL);
	return ok;
}

/* A buffer of @len bytes filled with canaries and followed by a page without access */
static uint8_t *guarded_alloc(size_t len)
{
	size_t map_len = (len + PAGE - 1) & ~(PAGE - 1);
	uint8_t *p = mmap(NULL, map_len + PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + map_len, PAGE, PROT_NONE))
		return NULL;
	memset(p, CANARY, map_len);
	return p;
}

static void *no_access(size_t len)
{
	void *p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Dumps and their decryption */

struct dump {
	uint8_t *cpu[MAX_CPUS];
	uint8_t *meta;
	size_t meta_len;
	uint8_t *compl;
	uint8_t regs[MAX_CPUS][CPU_REGS_LEN];
	bool regs_known;
};

/* Give every CPU registers of its own, so that the dump can be compared with them. */
static int sim_set_registers(struct vm *vm, struct dump *d)
{
	unsigned int i, k;
	int ret = 0;

	for (i = 0; i < vm->nr_cpus && !ret; i++) {
		uint8_t rec[16 + CPU_REGS_LEN] = {};
		uint8_t *r = rec + 16;

		put32(rec, getpid());
		rec[5] = i;
		rec[7] = 1;	/* the PSW stays as it is here */
		ret = random_bytes(r, CPU_REGS_LEN);
		for (k = 0; k < 16; k++)
			put64(r + 8 * k, 0x0101010101010101 * k + ((uint64_t)i << 56));
		memset(r + 896, 0, 512);
		memset(r + 1440, 0, CPU_REGS_LEN - 1440);
		ret = ret ?: sim_write_raw("registers", rec, sizeof(rec));
		memcpy(d->regs[i], r, CPU_REGS_LEN);
	}
	d->regs_known = !ret;
	return ret;
}

static int dump_alloc(struct vm *vm, struct dump *d)
{
	unsigned int i;

	d->meta_len = vm->size / MIB * vm->len.dump_config_mem_buffer_per_1m;
	d->meta = guarded_alloc(d->meta_len);
	d->compl = guarded_alloc(vm->len.dump_config_finalize_len);
	for (i = 0; i < vm->nr_cpus; i++) {
		d->cpu[i] = guarded_alloc(vm->len.dump_cpu_buffer_len);
		if (!d->cpu[i])
			return -ENOMEM;
	}
	return d->meta && d->compl ? 0 : -ENOMEM;
}

/* What is left to do after INIT, metadata in pieces of @chunk MiB. */
static int dump_rest(struct vm *vm, struct dump *d, unsigned int chunk)
{
	size_t per = vm->len.dump_config_mem_buffer_per_1m, mib = vm->size / MIB, i, n;
	int ret;

	ret = STEP(dump_alloc(vm, d));
	if (ret)
		return ret;
	for (i = 0; i < vm->nr_cpus; i++) {
		ret = STEP(dump_cpu(vm, i, d->cpu[i]));
		if (ret)
			return ret;
		if (vm->cmd.rc != 1)
			return -EPROTO;
	}
	for (i = 0; i < mib; i += n) {
		n = mib - i < chunk ? mib - i : chunk;
		ret = STEP(dump_stor(vm, d->meta + i * per, n * per, i * MIB));
		if (ret)
			return ret;
		if (vm->cmd.rc != 1)
			return -EPROTO;
	}
	ret = STEP(dump_complete(vm, d->compl, vm->len.dump_config_finalize_len));
	if (ret)
		return ret;
	return vm->cmd.rc == 1 ? 0 : -EPROTO;
}

static const struct comp *comp_of(const struct image *img, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < img->nr_comps; i++)
		if (addr >= img->comp[i].addr && addr - img->comp[i].addr < img->comp[i].size)
			return &img->comp[i];
	return NULL;
}

/*
 * Open the dump with the customer communication key alone and compare it with
 * what the guest was given, every page and every register.
 */
static int dump_verify(struct vm *vm, struct dump *d)
{
	uint8_t key[32], compl[COMPL_LEN], cpu[CPU_LEN], page[PAGE], iv[16];
	uint8_t ivs[MAX_CPUS + 1][IV_LEN];
	size_t i, k, addr, zero = 0, encrypted = 0;
	int op, ret;

	memcpy(compl, d->compl, sizeof(compl));
	if (get32(compl) != 1 || get32(compl + 4) != COMPL_LEN) {
		log_err("completion data version %x length %x", get32(compl), get32(compl + 4));
		return -EPROTO;
	}
	ret = STEP(dump_key(vm->img->cck, compl + COMPL_SEED, key)) ?:
	      STEP(gcm_crypt(false, key, compl + COMPL_IV, compl, COMPL_AAD,
			     COMPL_LEN - COMPL_AAD - TAG_LEN));
	if (ret)
		return ret;
	memcpy(ivs[vm->nr_cpus], compl + COMPL_IV, IV_LEN);

	for (i = 0; i < vm->nr_cpus; i++) {
		memcpy(cpu, d->cpu[i], sizeof(cpu));
		memcpy(ivs[i], cpu + CPU_IV, IV_LEN);
		if (get32(cpu) != 1) {
			log_err("cpu %zu version %x", i, get32(cpu));
			return -EPROTO;
		}
		if (d->regs_known && !memcmp(cpu + CPU_AAD, d->regs[i], CPU_REGS_LEN)) {
			log_err("cpu %zu is in the dump in the clear", i);
			return -EPROTO;
		}
		ret = STEP(gcm_crypt(false, key, cpu + CPU_IV, cpu, CPU_AAD, CPU_REGS_LEN));
		if (ret)
			return ret;
		for (k = 0; d->regs_known && k < CPU_REGS_LEN; k++) {
			if (cpu[CPU_AAD + k] == d->regs[i][k])
				continue;
			log_err("cpu %zu differs at %zu: %02x, expected %02x", i, CPU_AAD + k,
				cpu[CPU_AAD + k], d->regs[i][k]);
			return -EPROTO;
		}
	}
	/* one key seals all of them, a repeated IV would give it away */
	for (i = 0; i <= vm->nr_cpus; i++)
		for (k = 0; k < i; k++)
			if (!memcmp(ivs[i], ivs[k], IV_LEN)) {
				log_err("IV %zu and %zu are the same", i, k);
				return -EPROTO;
			}

	op = alg_open("skcipher", "xts(aes)", compl + 112, 64, 0);
	if (op < 0)
		return op;
	for (addr = 0; addr < vm->size; addr += PAGE) {
		const uint8_t *meta = d->meta + addr / PAGE * 16;
		const struct comp *c = comp_of(vm->img, addr);

		if (get32(meta) == 0xffffffff) {
			if (meta[14] || (meta[15] & ~4) != 1) {
				if (!env.sim && (meta[15] & ~4) == 2)
					continue;
				log_err("page %zx state %02x%02x", addr, meta[14], meta[15]);
				return -EPROTO;
			}
			if (c) {
				log_err("page %zx of the image is a zero page", addr);
				return -EPROTO;
			}
			zero++;
			continue;
		}
		encrypted++;
		if (!c && env.sim) {
			log_err("page %zx outside of the image is encrypted", addr);
			return -EPROTO;
		}
		for (i = 0; i < 16; i++)
			iv[i] = meta[i] | compl[COMPL_AAD + i];
		ret = STEP(alg_crypt(op, false, iv, 16, 0, vm->mem + addr, PAGE, page, PAGE));
		if (ret)
			return ret;
		if (!c || !c->plain)
			continue;
		if (!memcmp(vm->mem + addr, c->plain + (addr - c->addr), PAGE)) {
			log_err("page %zx is readable in the clear", addr);
			return -EPROTO;
		}
		for (i = 0; i < PAGE; i++) {
			if (page[i] == c->plain[addr - c->addr + i])
				continue;
			log_err("page %zx differs at %zx: %02x, expected %02x", addr, i, page[i],
				c->plain[addr - c->addr + i]);
			return -EPROTO;
		}
	}
	close(op);
	if (!encrypted || (env.sim && zero + encrypted != vm->size / PAGE)) {
		log_err("%zu encrypted and %zu zero pages", encrypted, zero);
		return -EPROTO;
	}
	/* the kernel wrote what it said, and not a byte more */
	if (!all_bytes(d->compl + vm->len.dump_config_finalize_len, CANARY,
		       -vm->len.dump_config_finalize_len & (PAGE - 1)))
		return -EOVERFLOW;
	return 0;
}

/* A complete dump of a VM in which INIT was already done, decrypted and compared. */
static int dump_and_verify(struct vm *vm, unsigned int chunk)
{
	static struct dump d;

	memset(&d, 0, sizeof(d));
	return (env.sim ? STEP(sim_set_registers(vm, &d)) : 0) ?:
	       STEP(dump_rest(vm, &d, chunk)) ?: STEP(dump_verify(vm, &d));
}

/* Is there swap space? The first line is a heading. */
static bool have_swap(void)
{
	char line[256];
	FILE *f = fopen("/proc/swaps", "r");
	bool have;

	have = f && fgets(line, sizeof(line), f) && fgets(line, sizeof(line), f);
	if (f)
		fclose(f);
	return have;
}

/* How many pages of the guest are in swap, and in memory */
static int vm_pages(const struct vm *vm, size_t *in_swap, size_t *in_memory)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), ret = 0;
	uint64_t entry;
	uintptr_t i;

	*in_swap = 0;
	*in_memory = 0;
	if (fd < 0)
		return -errno;
	for (i = (uintptr_t)vm->mem / PAGE; i < ((uintptr_t)vm->mem + vm->size) / PAGE; i++) {
		if (pread(fd, &entry, sizeof(entry), i * sizeof(entry)) != sizeof(entry)) {
			ret = -EIO;
			break;
		}
		*in_swap += entry >> 62 & 1;
		*in_memory += entry >> 63;
	}
	close(fd);
	return ret;
}

/* From each CPU, as each keeps the pages last used there from being reclaimed by others. */
static int vm_swap_out(const struct vm *vm)
{
	cpu_set_t all, one;
	int i, ret = 0;

	if (sched_getaffinity(0, sizeof(all), &all))
		return -errno;
	for (i = 0; i < CPU_SETSIZE && !ret; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		if (sched_setaffinity(0, sizeof(one), &one) ||
		    madvise(vm->mem, vm->size, MADV_PAGEOUT))
			ret = -errno;
	}
	if (sched_setaffinity(0, sizeof(all), &all))
		ret = ret ?: -errno;
	return ret;
}

static struct image the_image;

static int image_get(struct image *img, unsigned int mib, uint64_t pcf)
{
	return env.sim ? image_build(img, mib * MIB, pcf) : image_load(img);
}

static long violations_before;

/* The common part of all fixtures: image, VM, and the way to @stage */
static void common_setup(struct __test_metadata *_metadata, struct vm *vm,
			 const struct vm_opts *opts, enum stage stage)
{
	struct vm_opts o = *opts;

	if (env.sim) {
		ASSERT_EQ(0, sim_reset());
		violations_before = sim_violations();
		ASSERT_LE(0, violations_before);
	}
	ASSERT_EQ(0, image_get(&the_image, o.mib, o.pcf));
	o.mib = the_image.mem_size / MIB;
	ASSERT_EQ(0, vm_create(vm, &o));
	ASSERT_EQ(0, vm_protect(vm, &the_image, stage));
	if (env.sim)
		ASSERT_EQ(0, sim_write("counters", "0"));
}

/* Closing everything frees everything, and KVM kept to the rules of the interface. */
static void common_teardown(struct __test_metadata *_metadata, struct vm *vm)
{
	char buf[4096];

	vm_close(vm);
	if (!env.sim)
		return;
	EXPECT_TRUE(sim_no_objects()) {
		sim_read("objects", buf, sizeof(buf));
		TH_LOG("alive after close: %s", buf);
	}
	EXPECT_EQ(violations_before, sim_violations()) {
		sim_read("violations", buf, sizeof(buf));
		TH_LOG("violations: %s", buf);
	}
	EXPECT_EQ(0, sim_write("faults", "clear") ?: sim_write("qui", "reset"));
}

#define DEFAULT_OPTS	{ .mib = 4, .cpus = 2, .pcf = PCF_DUMP | PCF_PCKMO }
static const struct vm_opts default_opts = DEFAULT_OPTS;

/* Crypto and numbers: what all other tests stand on */

TEST(crypto_known_answers)
{
	static const uint8_t key_out[32] = {
		0xac, 0x3f, 0x31, 0x50, 0xad, 0x72, 0x23, 0xed, 0xe2, 0xf4, 0xc3, 0x80, 0xef, 0xc8,
		0x5a, 0x2b, 0x9d, 0x5b, 0xa0, 0xdb, 0xc9, 0x9a, 0x13, 0xf3, 0x39, 0xe5, 0xa1, 0xd9,
		0x7b, 0x77, 0x07, 0x84,
	};
	static const uint8_t gcm_tag[TAG_LEN] = {
		0x73, 0x2b, 0x86, 0xe0, 0x6d, 0x8c, 0x0f, 0xc7, 0x3c, 0x9f, 0x4e, 0x36, 0x5f, 0x95,
		0x76, 0x70,
	};
	static const uint8_t page_first[16] = {
		0x10, 0x36, 0x67, 0xda, 0x69, 0x54, 0x28, 0x7d, 0x59, 0x27, 0xdb, 0xa9, 0x1f, 0x86,
		0xf9, 0x52,
	};
	static const uint8_t page_last[16] = {
		0x37, 0x12, 0x76, 0xfa, 0xc0, 0x75, 0x1f, 0x72, 0xbe, 0x4e, 0xe2, 0x4d, 0x75, 0x01,
		0x00, 0xd3,
	};
	static const uint8_t sha[8] = { 0xe8, 0x57, 0x4e, 0x3b, 0x71, 0x10, 0xd9, 0x18 };
	uint8_t tweak[16] = { 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78 };
	uint8_t cck[32], seed[64], xts[64], key[32], page[PAGE], out[PAGE], hash[64];
	uint8_t buf[COMPL_LEN] = {};
	unsigned int i;
	int op;

	for (i = 0; i < 64; i++) {
		cck[i % 32] = i % 32;
		seed[i] = 0x40 + i;
		xts[i] = 0x80 + i;
	}
	ASSERT_EQ(0, dump_key(cck, seed, key));
	EXPECT_EQ(0, memcmp(key, key_out, sizeof(key)));

	put32(buf, 1);
	put32(buf + 4, COMPL_LEN);
	memcpy(buf + COMPL_SEED, seed, sizeof(seed));
	for (i = 0; i < IV_LEN; i++)
		buf[COMPL_IV + i] = i;
	memcpy(buf + COMPL_AAD, tweak, sizeof(tweak));
	memcpy(buf + COMPL_AAD + 16, xts, sizeof(xts));
	ASSERT_EQ(0, gcm_crypt(true, key, buf + COMPL_IV, buf, COMPL_AAD,
			       COMPL_LEN - COMPL_AAD - TAG_LEN));
	EXPECT_EQ(0, memcmp(buf + COMPL_LEN - TAG_LEN, gcm_tag, TAG_LEN));
	ASSERT_EQ(0, gcm_crypt(false, key, buf + COMPL_IV, buf, COMPL_AAD,
			       COMPL_LEN - COMPL_AAD - TAG_LEN));
	EXPECT_EQ(0, memcmp(buf + COMPL_AAD + 16, xts, sizeof(xts)));
	buf[COMPL_SEED] ^= 1;
	EXPECT_EQ(-EBADMSG, gcm_crypt(false, key, buf + COMPL_IV, buf, COMPL_AAD,
				      COMPL_LEN - COMPL_AAD - TAG_LEN));

	image_plaintext(page, 0, PAGE);
	op = alg_open("skcipher", "xts(aes)", xts, sizeof(xts), 0);
	ASSERT_LE(0, op);
	ASSERT_EQ(0, alg_crypt(op, true, tweak, 16, 0, page, PAGE, out, PAGE));
	EXPECT_EQ(0, memcmp(out, page_first, 16));
	EXPECT_EQ(0, memcmp(out + PAGE - 16, page_last, 16));
	ASSERT_EQ(0, alg_crypt(op, false, tweak, 16, 0, out, PAGE, out, PAGE));
	EXPECT_EQ(0, memcmp(out, page, PAGE));
	close(op);

	ASSERT_EQ(0, alg_hash("sha512", NULL, 0, page, PAGE, hash));
	EXPECT_EQ(0, memcmp(hash, sha, sizeof(sha)));
}

TEST(numbers_and_layouts_are_those_of_the_abi)
{
	EXPECT_EQ(217, KVM_CAP_S390_PROTECTED_DUMP);
	EXPECT_EQ(0xc020aec5UL, (unsigned long)KVM_S390_PV_COMMAND);
	EXPECT_EQ(0xc020aed0UL, (unsigned long)KVM_S390_PV_CPU_COMMAND);
	EXPECT_EQ(7, KVM_PV_INFO);
	EXPECT_EQ(8, KVM_PV_DUMP);
	EXPECT_EQ(0, KVM_PV_INFO_VM);
	EXPECT_EQ(1, KVM_PV_INFO_DUMP);
	EXPECT_EQ(0, KVM_PV_DUMP_INIT);
	EXPECT_EQ(1, KVM_PV_DUMP_CONFIG_STOR_STATE);
	EXPECT_EQ(2, KVM_PV_DUMP_COMPLETE);
	EXPECT_EQ(3, KVM_PV_DUMP_CPU);
	EXPECT_EQ(32UL, sizeof(struct kvm_pv_cmd));
	EXPECT_EQ(4UL, offsetof(struct kvm_pv_cmd, rc));
	EXPECT_EQ(64UL, sizeof(struct kvm_s390_pv_dmp));
	EXPECT_EQ(24UL, offsetof(struct kvm_s390_pv_dmp, gaddr));
	EXPECT_EQ(16UL, sizeof(struct kvm_s390_pv_info_header));
	EXPECT_EQ(80UL, sizeof(struct kvm_s390_pv_info));
	EXPECT_EQ(24UL, sizeof(struct kvm_s390_pv_info_dump));
	EXPECT_EQ(64UL, sizeof(struct kvm_s390_pv_info_vm));
	EXPECT_EQ(16UL, offsetof(struct kvm_s390_pv_info, vm));
	EXPECT_EQ(16UL, offsetof(struct kvm_s390_pv_info, dump));
}

/* A VM that is not protected */

FIXTURE(vm) {
	struct vm vm;
};

FIXTURE_SETUP(vm)
{
	common_setup(_metadata, &self->vm, &default_opts, STAGE_VM);
}

FIXTURE_TEARDOWN(vm)
{
	common_teardown(_metadata, &self->vm);
}

static int info(struct vm *vm, uint32_t id, uint32_t len_max, void *buf)
{
	struct kvm_s390_pv_info_header h = { .id = id, .len_max = len_max };

	memcpy(buf, &h, sizeof(h));
	return pv(vm, KVM_PV_INFO, buf);
}

TEST_F(vm, capability_is_one_on_both_fds)
{
	EXPECT_EQ(1, ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP));
	EXPECT_EQ(1, ioctl(self->vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP));
}

TEST_F(vm, unknown_commands_enotty)
{
	static const uint32_t cmds[] = { 9, 10, 11, 0x80000000, 0xffffffff };
	unsigned int i;

	/* the first two are commands where VMs can be destroyed asynchronously */
	i = ioctl(env.kvm, KVM_CHECK_EXTENSION, CAP_ASYNC_DISABLE) > 0 ? 2 : 0;
	for (; i < ARRAY_SIZE(cmds); i++) {
		EXPECT_EQ(-ENOTTY, pv(&self->vm, cmds[i], NULL))
			TH_LOG("command %x", cmds[i]);
		EXPECT_TRUE(rc_untouched(&self->vm));
	}
}

TEST_F(vm, nonzero_flags_einval)
{
	uint8_t buf[80];
	struct kvm_s390_pv_info_header h = { .id = KVM_PV_INFO_DUMP, .len_max = 40 };
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_INFO, .data = (uintptr_t)buf };
	unsigned int bit;

	memcpy(buf, &h, sizeof(h));
	ASSERT_EQ(0, pv_ioctl(self->vm.fd, KVM_S390_PV_COMMAND, &cmd));
	for (bit = 0; bit < 32; bit++) {
		cmd.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, pv_ioctl(self->vm.fd, KVM_S390_PV_COMMAND, &cmd));
	}
}

TEST_F(vm, unreadable_command_efault)
{
	void *bad = no_access(PAGE);

	ASSERT_NE(NULL, bad);
	ASSERT_EQ(0, pv_info_dump(&self->vm));
	EXPECT_EQ(-EFAULT, xioctl(self->vm.fd, KVM_S390_PV_COMMAND, bad));
	EXPECT_EQ(-EFAULT, xioctl(self->vm.cpu[0], KVM_S390_PV_CPU_COMMAND, bad));
}

TEST_F(vm, info_vm_writes_80_bytes)
{
	struct kvm_s390_pv_info *res;
	uint8_t *buf = guarded_alloc(PAGE);
	uint64_t val;

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, PAGE, buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
	res = (struct kvm_s390_pv_info *)buf;
	EXPECT_EQ(KVM_PV_INFO_VM, res->header.id);
	EXPECT_EQ(PAGE, res->header.len_max);
	EXPECT_EQ(80, res->header.len_written);
	EXPECT_TRUE(all_bytes(buf + 80, CANARY, PAGE - 80));
	EXPECT_NE(0, res->vm.inst_calls_list[0]);
	EXPECT_LT(0, res->vm.max_cpus);
	EXPECT_EQ(0, res->vm.max_guest_addr & (PAGE - 1));
	if (!env.sim)
		return;
	ASSERT_EQ(0, sim_qui("calls0", &val));
	EXPECT_EQ(val, res->vm.inst_calls_list[0]);
	ASSERT_EQ(0, sim_qui("max_cpus", &val));
	EXPECT_EQ(val, res->vm.max_cpus);
	ASSERT_EQ(0, sim_qui("max_guests", &val));
	EXPECT_EQ(val, res->vm.max_guests);
}

TEST_F(vm, info_dump_writes_40_bytes)
{
	struct kvm_s390_pv_info *res;
	uint8_t *buf = guarded_alloc(PAGE);
	uint64_t val;

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, PAGE, buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
	res = (struct kvm_s390_pv_info *)buf;
	EXPECT_EQ(40, res->header.len_written);
	EXPECT_TRUE(all_bytes(buf + 40, CANARY, PAGE - 40));
	EXPECT_LE(CPU_LEN, res->dump.dump_cpu_buffer_len);
	EXPECT_LE(COMPL_LEN, res->dump.dump_config_finalize_len);
	EXPECT_NE(0, res->dump.dump_config_mem_buffer_per_1m);
	if (!env.sim)
		return;
	ASSERT_EQ(0, sim_qui("cpu_len", &val));
	EXPECT_EQ(val, res->dump.dump_cpu_buffer_len);
	ASSERT_EQ(0, sim_qui("stor_state_len", &val));
	EXPECT_EQ(val, res->dump.dump_config_mem_buffer_per_1m);
	ASSERT_EQ(0, sim_qui("finalize_len", &val));
	EXPECT_EQ(val, res->dump.dump_config_finalize_len);
}

TEST_F(vm, info_length_rules)
{
	static const struct { uint32_t id, min; } kind[] = {
		{ KVM_PV_INFO_VM, 80 }, { KVM_PV_INFO_DUMP, 40 },
	};
	uint8_t *buf = guarded_alloc(PAGE);
	unsigned int k, i;

	ASSERT_NE(NULL, buf);
	for (k = 0; k < ARRAY_SIZE(kind); k++) {
		const uint32_t bad[] = { 0, 15, 16, 17, kind[k].min - 1 };
		const uint32_t good[] = { kind[k].min, kind[k].min + 1, PAGE, 0xffffffff };

		for (i = 0; i < ARRAY_SIZE(good); i++) {
			memset(buf, CANARY, PAGE);
			EXPECT_EQ(0, info(&self->vm, kind[k].id, good[i], buf));
			EXPECT_TRUE(all_bytes(buf + kind[k].min, CANARY, PAGE - kind[k].min));
		}
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			memset(buf, CANARY, PAGE);
			EXPECT_EQ(-EINVAL, info(&self->vm, kind[k].id, bad[i], buf))
				TH_LOG("id %u len_max %u", kind[k].id, bad[i]);
			EXPECT_TRUE(all_bytes(buf + 16, CANARY, PAGE - 16));
			EXPECT_TRUE(rc_untouched(&self->vm));
		}
	}
}

TEST_F(vm, info_fits_in_front_of_an_unmapped_page)
{
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, PAGE, buf + PAGE - 80));
	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, PAGE, buf + PAGE - 40));
}

TEST_F(vm, info_unknown_id_einval)
{
	uint8_t buf[PAGE];

	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, sizeof(buf), buf));
	EXPECT_EQ(-EINVAL, info(&self->vm, 2, sizeof(buf), buf));
	EXPECT_EQ(-EINVAL, info(&self->vm, 0xffffffff, sizeof(buf), buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
}

TEST_F(vm, info_unreadable_header_efault)
{
	uint8_t *buf = guarded_alloc(PAGE);
	void *bad = no_access(PAGE);

	ASSERT_NE(NULL, buf);
	ASSERT_NE(NULL, bad);
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_INFO, bad));
	/* the header crosses into the page without access */
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_INFO, buf + PAGE - 8));
}

TEST_F(vm, info_unwritable_result_efault)
{
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	ASSERT_EQ(0, mprotect(buf, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_INFO, buf));
	ASSERT_EQ(0, mprotect(buf, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-EFAULT, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf + PAGE - 39));
}

TEST_F(vm, info_reserved_word_is_ignored_and_kept)
{
	struct kvm_s390_pv_info_header h = {
		.id = KVM_PV_INFO_DUMP, .len_max = 40, .reserved = 0xffffffff,
	};
	uint8_t buf[40];

	memcpy(buf, &h, sizeof(h));
	EXPECT_EQ(0, pv(&self->vm, KVM_PV_INFO, buf));
	memcpy(&h, buf, sizeof(h));
	EXPECT_EQ(40, h.len_written);
	EXPECT_EQ(0xffffffff, h.reserved);
}

TEST_F(vm, info_issues_no_uvc)
{
	uint8_t buf[80];

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, sim_write("counters", "0"));
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	ASSERT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, 80, buf));
	EXPECT_EQ(0, sim_number("counters", "total"));
}

static int sysfs_uv(const char *file, uint64_t *val)
{
	char path[64], buf[32] = "", *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/firmware/uv/query/%s", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	/* hexadecimal without 0x, and a newline */
	*val = strtoull(buf, &end, 16);
	return n > 1 && buf[1] != 'x' && end == buf + n - 1 && *end == '\n' ? 0 : -EPROTO;
}

TEST_F(vm, sysfs_tells_what_info_tells)
{
	struct vm *vm = &self->vm;
	uint64_t val, qui;

	/* the kernel makes it for those with facility 158 */
	if (access("/sys/firmware/uv/query", R_OK))
		SKIP(return, "no /sys/firmware/uv (boot with facilities=158)");
	EXPECT_EQ(0, sysfs_uv("dump_storage_state_len", &val));
	EXPECT_EQ(vm->len.dump_config_mem_buffer_per_1m, val);
	EXPECT_EQ(0, sysfs_uv("dump_finalize_len", &val));
	EXPECT_EQ(vm->len.dump_config_finalize_len, val);
	/* the name that tools look for, and the one that it should have */
	EXPECT_EQ(0, sysfs_uv("uv_query_dump_cpu_len", &val));
	EXPECT_EQ(vm->len.dump_cpu_buffer_len, val);
	EXPECT_EQ(0, sysfs_uv("dump_cpu_len", &val));
	EXPECT_EQ(vm->len.dump_cpu_buffer_len, val);
	EXPECT_EQ(0, sysfs_uv("supp_se_hdr_ver", &val));
	EXPECT_EQ(1ULL << 63, val & 1ULL << 63);
	EXPECT_EQ(0, sysfs_uv("supp_se_hdr_pcf", &val));
	EXPECT_EQ(PCF_DUMP, val & PCF_DUMP);
	if (!env.sim)
		return;
	ASSERT_EQ(0, sim_qui("se_hdr_pcf", &qui));
	EXPECT_EQ(qui, val);
	/* not a number that happens to be the same */
	ASSERT_EQ(0, sim_write("qui", "cpu_len=0x3000"));
	ASSERT_EQ(0, sim_write("qui", "stor_state_len=0x4000"));
	ASSERT_EQ(0, sim_write("qui", "finalize_len=0x5000"));
	EXPECT_EQ(0, sysfs_uv("dump_cpu_len", &val));
	EXPECT_EQ(0x3000, val);
	EXPECT_EQ(0, sysfs_uv("dump_storage_state_len", &val));
	EXPECT_EQ(0x4000, val);
	EXPECT_EQ(0, sysfs_uv("dump_finalize_len", &val));
	EXPECT_EQ(0x5000, val);
}

TEST_F(vm, info_leaves_cpu_state_to_kvm)
{
	/* a new vcpu is stopped; KVM starts it itself unless user space took that over */
	ASSERT_EQ(0, pv_info_dump(&self->vm));
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

TEST_F(vm, dump_of_unprotected_vm_einval)
{
	uint8_t buf[PAGE];
	uint64_t sub;

	ASSERT_EQ(0, pv_info_dump(&self->vm));
	for (sub = 0; sub < 5; sub++) {
		EXPECT_EQ(-EINVAL, dmp(&self->vm, sub, buf, sizeof(buf), 0));
		EXPECT_TRUE(rc_untouched(&self->vm));
	}
	/* found out before the structure is read */
	EXPECT_EQ(-EINVAL, pv(&self->vm, KVM_PV_DUMP, NULL));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
}

TEST_F(vm, failed_enable_leaves_nothing)
{
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(PAGE);

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=2 rc=0x1234", UVC_CREATE_CPU));
	EXPECT_NE(0, pv(vm, KVM_PV_ENABLE, NULL));
	EXPECT_EQ(-EINVAL, dump_init(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, buf));
	EXPECT_EQ(0, sim_dump_calls());
	EXPECT_EQ(0, sim_objects());
	ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_DUMPING));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(vm, cpu_dump_of_unprotected_vm_einval)
{
	uint8_t buf[PAGE];

	EXPECT_EQ(-EINVAL, dump_cpu(&self->vm, 0, buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
}

/* Random commands against a table of what each has to answer in each state */

enum walk_state { W_ORDINARY, W_PROTECTED, W_DUMPING, W_UNDELIVERED, W_STATES };

#define OK	0
#define INV	(-EINVAL)
#define FAULT	(-EFAULT)
#define SAME	W_STATES

static const struct {
	const char *name;
	int ret[W_STATES];
	enum walk_state next[W_STATES];
} walk[] = {
	{ "ENABLE", { OK, INV, INV, INV }, { W_PROTECTED, SAME, SAME, SAME } },
	{ "DISABLE", { INV, OK, OK, OK }, { SAME, W_ORDINARY, W_ORDINARY, W_ORDINARY } },
	{ "INIT", { INV, OK, INV, INV }, { SAME, W_DUMPING, SAME, SAME } },
	{ "INIT refused", { INV, INV, INV, INV }, { SAME, SAME, SAME, SAME } },
	{ "STOR_STATE", { INV, INV, OK, INV }, { SAME, SAME, SAME, SAME } },
	{ "STOR_STATE refused", { INV, INV, INV, INV }, { SAME, SAME, SAME, SAME } },
	{ "CPU", { INV, INV, OK, INV }, { SAME, SAME, SAME, SAME } },
	{ "COMPLETE", { INV, INV, OK, OK }, { SAME, SAME, W_PROTECTED, W_PROTECTED } },
	{ "COMPLETE short", { INV, INV, INV, INV }, { SAME, SAME, SAME, SAME } },
	{ "COMPLETE no access", { INV, INV, FAULT, FAULT },
	  { SAME, SAME, W_UNDELIVERED, W_UNDELIVERED } },
	{ "COMPLETE refused", { INV, INV, INV, OK }, { SAME, SAME, SAME, W_PROTECTED } },
	{ "KVM_RUN", { OK, OK, INV, INV }, { SAME, SAME, SAME, SAME } },
	{ "INFO", { OK, OK, OK, OK }, { SAME, SAME, SAME, SAME } },
};

static int walk_step(struct vm *vm, enum walk_state state, const char *name, uint8_t *buf,
		     uint8_t *bad)
{
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	const uint64_t final = vm->len.dump_config_finalize_len;

	if (!strcmp(name, "ENABLE"))
		return state == W_ORDINARY ? vm_protect(vm, &the_image, STAGE_VERIFIED) :
					     pv(vm, KVM_PV_ENABLE, NULL);
	if (!strcmp(name, "DISABLE"))
		return pv(vm, KVM_PV_DISABLE, NULL);
	if (!strncmp(name, "INIT", 4))
		return dump_init(vm);
	if (!strncmp(name, "STOR", 4))
		return dump_stor(vm, buf, per, MIB);
	if (!strcmp(name, "CPU"))
		return dump_cpu(vm, 1, buf);
	if (!strcmp(name, "COMPLETE short"))
		return dump_complete(vm, buf, final - 1);
	if (!strcmp(name, "COMPLETE no access"))
		return dump_complete(vm, bad, final);
	if (!strncmp(name, "COMPLETE", 8))
		return dump_complete(vm, buf, final);
	if (!strcmp(name, "INFO"))
		return pv_info_dump(vm);
	return vm_run(vm, 0, 5) == -EINVAL ? -EINVAL : 0;
}

/* A debug kernel needs more than the 30 s a test has by default */
TEST_F_TIMEOUT(vm, random_commands_follow_the_state_table, 240)
{
	enum walk_state state = W_ORDINARY;
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(PAGE), *bad = no_access(PAGE);
	uint64_t seed = 20221105;
	double enough = now() + 40;
	unsigned int i, k;
	long calls;
	int ret;

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	ASSERT_NE(NULL, bad);
	/* fewer where it takes too long, but all kinds of them */
	for (i = 0; i < 400 && (i < 150 || now() < enough); i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		k = (seed >> 33) % ARRAY_SIZE(walk);
		if (strstr(walk[k].name, "refused"))
			for (ret = UVC_INIT; ret <= UVC_COMPLETE; ret++)
				ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 rc=0x1234", ret));
		calls = sim_dump_calls();
		ret = walk_step(vm, state, walk[k].name, buf, bad);
		ASSERT_EQ(walk[k].ret[state], ret)
			TH_LOG("step %u: %s in state %u", i, walk[k].name, state);
		/* rc is there if and only if the Ultravisor was called */
		if (vm->cmd.cmd == KVM_PV_DUMP)
			ASSERT_EQ(calls == sim_dump_calls(), rc_untouched(vm))
				TH_LOG("step %u: %s in state %u", i, walk[k].name, state);
		vm->cmd.cmd = 0;
		ASSERT_EQ(0, sim_write("faults", "clear"));
		if (walk[k].next[state] != SAME)
			state = walk[k].next[state];
	}
}

/* A protected VM, verified and ready to run */

FIXTURE(pv) {
	struct vm vm;
};

FIXTURE_SETUP(pv)
{
	common_setup(_metadata, &self->vm, &default_opts, STAGE_VERIFIED);
}

FIXTURE_TEARDOWN(pv)
{
	common_teardown(_metadata, &self->vm);
}

TEST_F(pv, memory_reads_as_ciphertext)
{
	const struct comp *c = &the_image.comp[0];

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, c->plain);
	EXPECT_NE(0, memcmp(self->vm.mem + c->addr, c->plain, PAGE));
	EXPECT_NE(0, memcmp(self->vm.mem + c->addr, c->image, PAGE));
}

TEST_F(pv, info_works_on_a_protected_vm)
{
	uint8_t buf[80];

	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, 80, buf));
	EXPECT_TRUE(rc_untouched(&self->vm));
}

TEST_F(pv, dump_structure_must_be_readable)
{
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_DUMP, no_access(PAGE)));
	EXPECT_EQ(-EFAULT, pv(&self->vm, KVM_PV_DUMP, buf + PAGE - 63));
	EXPECT_TRUE(rc_untouched(&self->vm));
	/* subcommand INIT, everything else zero as well */
	memset(buf, 0, PAGE);
	EXPECT_EQ(0, pv(&self->vm, KVM_PV_DUMP, buf + PAGE - 64));
}

TEST_F(pv, unknown_subcommands_enotty)
{
	static const uint64_t sub[] = { KVM_PV_DUMP_CPU, 4, 1ULL << 32, ~0ULL };
	unsigned int i, round;

	/* before and while dumping */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < ARRAY_SIZE(sub); i++) {
			EXPECT_EQ(-ENOTTY, dmp(&self->vm, sub[i], NULL, 0, 0))
				TH_LOG("subcommand %lx", sub[i]);
			EXPECT_TRUE(rc_untouched(&self->vm));
		}
		if (!round)
			ASSERT_EQ(0, dump_init(&self->vm));
	}
}

TEST_F(pv, nothing_but_init_without_init)
{
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(PAGE);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(-EINVAL, dump_stor(vm, buf, vm->len.dump_config_mem_buffer_per_1m, 0));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(0, vm->dmp.gaddr);
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_complete(vm, buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_TRUE(all_bytes(buf, CANARY, PAGE));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_cpu(vm, 0, buf));
}

TEST_F(pv, init_ignores_the_buffer_fields)
{
	ASSERT_EQ(0, dmp(&self->vm, KVM_PV_DUMP_INIT, (void *)~0UL, ~0ULL, ~0ULL));
	EXPECT_EQ(1, self->vm.cmd.rc);
}

TEST_F(pv, reserved_fields_are_ignored)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp d = { .subcmd = KVM_PV_DUMP_INIT };
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_DUMP, .data = (uintptr_t)&d };
	uint8_t *buf = guarded_alloc(vm->len.dump_cpu_buffer_len);

	ASSERT_NE(NULL, buf);
	memset(d.reserved, 0xff, sizeof(d.reserved));
	memset(cmd.reserved, 0xff, sizeof(cmd.reserved));
	EXPECT_EQ(0, pv_ioctl(vm->fd, KVM_S390_PV_COMMAND, &cmd));
	d.subcmd = KVM_PV_DUMP_CPU;
	d.buff_addr = (uintptr_t)buf;
	d.buff_len = vm->len.dump_cpu_buffer_len;
	EXPECT_EQ(0, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
}

TEST_F(pv, runs_again_after_complete)
{
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(vm->len.dump_config_finalize_len);

	ASSERT_NE(NULL, buf);
	ASSERT_TRUE(vm_runs(vm, 0));
	ASSERT_EQ(0, dump_init(vm));
	ASSERT_EQ(-EINVAL, vm_run(vm, 0, 20));
	ASSERT_EQ(0, dump_complete(vm, buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(vm_runs(vm, 0));
	if (env.sim)
		EXPECT_TRUE(vm_runs(vm, 1));
}

TEST_F(pv, init_makes_running_vcpus_leave)
{
	struct vm *vm = &self->vm;
	struct runner r[2];
	uint8_t *buf = guarded_alloc(vm->len.dump_cpu_buffer_len);
	unsigned int i;

	/* a real guest may leave by itself, for something user space has to do */
	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(vm_runs(vm, i));
		ASSERT_EQ(0, runner_start(&r[i], vm, i));
	}
	for (i = 0; i < 2; i++)
		ASSERT_FALSE(wait_done(&r[i].done, 10));
	ASSERT_EQ(0, dump_init(vm));
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(runner_join(&r[i], LONG_ENOUGH * 1000))
			TH_LOG("vcpu %u is still in KVM_RUN", i);
		EXPECT_EQ(-EINTR, r[i].ret);
		EXPECT_EQ(KVM_EXIT_INTR, vm->run[i]->exit_reason);
	}
	/* vcpu->mutex is free */
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, dump_cpu(vm, i, buf));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(pv, init_makes_waiting_vcpus_leave)
{
	struct vm *vm = &self->vm;
	struct runner r;
	long sie;

	if (no_sim(_metadata))
		return;
	/* an enabled wait, and nothing that would end it */
	ASSERT_EQ(0, sim_write("script", "pv icpt=0x1c"));
	sie = sim_sie();
	ASSERT_EQ(0, runner_start(&r, vm, 0));
	while (sim_sie() == sie)
		sleep_ms(1);
	sleep_ms(50);
	ASSERT_EQ(sie + 1, sim_sie());
	ASSERT_FALSE(wait_done(&r.done, 0));
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_TRUE(runner_join(&r, LONG_ENOUGH * 1000))
		TH_LOG("the vcpu is still in KVM_RUN");
	EXPECT_EQ(-EINTR, r.ret);
	EXPECT_EQ(KVM_EXIT_INTR, vm->run[0]->exit_reason);
	EXPECT_EQ(sie + 1, sim_sie());
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	/* it still waits, but in SIE again */
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_LT(sie + 1, sim_sie());
}

TEST_F(pv, no_sie_entry_while_dumping)
{
	struct vm *vm = &self->vm;
	struct runner r[2];
	long sie;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	sie = sim_sie();
	ASSERT_TRUE(vm_runs(vm, 0));
	ASSERT_LT(sie, sim_sie());
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, runner_start(&r[i], vm, i));
	sleep_ms(20);
	ASSERT_EQ(0, dump_init(vm));
	/* the simulator may count the last entry late */
	for (i = 0; i < 2; i++)
		runner_join(&r[i], 1000);
	sie = sim_sie();
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, rerunner_start(&r[i], vm, i));
	sleep_ms(30);
	for (i = 0; i < 2; i++) {
		runner_join(&r[i], 100);
		EXPECT_EQ(-EINVAL, r[i].ret);
	}
	EXPECT_EQ(sie, sim_sie());
}

/* A vcpu that was inside KVM_RUN when the dump began must not get back into SIE. */
TEST_F(pv, crypto_attribute_does_not_let_running_vcpus_run)
{
	struct kvm_device_attr on = {
		.group = KVM_S390_VM_CRYPTO, .attr = KVM_S390_VM_CRYPTO_ENABLE_AES_KW,
	};
	struct vm *vm = &self->vm;
	struct runner r;
	long sie;

	if (no_sim(_metadata))
		return;
	sie = sim_sie();
	ASSERT_EQ(0, runner_start(&r, vm, 0));
	while (sim_sie() == sie)
		sleep_ms(1);
	ASSERT_EQ(0, dump_init(vm));
	/* the simulator may count the last entry late */
	wait_done(&r.done, 1000);
	sie = sim_sie();
	ASSERT_EQ(0, xioctl(vm->fd, KVM_SET_DEVICE_ATTR, &on));
	sleep_ms(20);
	EXPECT_EQ(sie, sim_sie());
	runner_join(&r, 1000);
	EXPECT_EQ(-EINTR, r.ret);
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(pv, failed_init_lets_running_vcpus_run)
{
	struct vm *vm = &self->vm;
	struct runner r;
	long sie;

	if (no_sim(_metadata))
		return;
	ASSERT_TRUE(vm_runs(vm, 0));
	ASSERT_EQ(0, sim_write("faults", "cmd=0x400 nth=1 rc=0x1234 rrc=0x5"));
	ASSERT_EQ(0, runner_start(&r, vm, 0));
	sleep_ms(20);
	ASSERT_EQ(-EINVAL, dump_init(vm));
	/* it may have been kicked out, but it must not be stuck */
	runner_join(&r, 50);
	EXPECT_TRUE(r.ret == -EINTR || r.ret == 0);
	sie = sim_sie();
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_LT(sie, sim_sie());
}

TEST_F(pv, dumps_race_with_kvm_run)
{
	struct vm *vm = &self->vm;
	struct runner r[2];
	uint8_t *buf = guarded_alloc(vm->len.dump_cpu_buffer_len);
	unsigned int i, k;

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, rerunner_start(&r[i], vm, i));
	/* that no vcpu enters SIE meanwhile is for the simulator to watch */
	for (k = 0; k < 50; k++) {
		ASSERT_EQ(0, dump_init(vm));
		for (i = 0; i < 2; i++)
			ASSERT_EQ(0, dump_cpu(vm, i, buf));
		ASSERT_EQ(0, dump_complete(vm, buf, vm->len.dump_config_finalize_len));
		if (k % 2)
			sleep_ms(1);
	}
	for (i = 0; i < 2; i++)
		runner_join(&r[i], 20);
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(pv, memory_in_swap_is_dumped)
{
	struct vm *vm = &self->vm;
	static struct dump d;
	size_t before, swapped, still, in_memory;

	if (!have_swap())
		SKIP(return, "no swap space");
	ASSERT_EQ(0, vm_pages(vm, &swapped, &before));
	ASSERT_EQ(0, swapped);
	ASSERT_EQ(0, vm_swap_out(vm));
	ASSERT_EQ(0, vm_pages(vm, &swapped, &in_memory));
	ASSERT_LT(0, swapped);
	if (env.sim) {
		ASSERT_EQ(before, swapped);
		ASSERT_EQ(0, sim_set_registers(vm, &d));
	}

	ASSERT_EQ(0, dump_init(vm));
	ASSERT_EQ(0, dump_rest(vm, &d, 1));
	/* none of the calls needs the pages themselves */
	ASSERT_EQ(0, vm_pages(vm, &still, &in_memory));
	EXPECT_EQ(swapped, still);
	EXPECT_EQ(0, dump_verify(vm, &d));
	EXPECT_TRUE(vm_runs(vm, 0));
}

/* It comes back at other places. */
TEST_F(pv, memory_back_from_swap_is_the_guests)
{
	struct vm *vm = &self->vm;
	size_t addr, swapped, in_memory;
	char order[64];
	int ret;

	if (no_sim(_metadata))
		return;
	if (!have_swap())
		SKIP(return, "no swap space");
	ASSERT_EQ(0, vm_swap_out(vm));
	ASSERT_EQ(0, vm_pages(vm, &swapped, &in_memory));
	ASSERT_LT(0, swapped);
	ASSERT_EQ(0, in_memory);
	for (addr = 0; addr < vm->size; addr += PAGE) {
		uint8_t *p = vm->mem + addr;

		if (!comp_of(vm->img, addr))
			continue;
		/* KVM makes it writable, too */
		__atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
		snprintf(order, sizeof(order), "import gaddr=0x%zx tgid=%d", addr, getpid());
		ret = sim_write("objects", order);
		if (ret == -ENXIO)
			SKIP(return, "the guest has page tables of its own");
		ASSERT_EQ(0, ret) {
			TH_LOG("page %zx", addr);
		}
	}
	ASSERT_EQ(0, vm_pages(vm, &swapped, &in_memory));
	EXPECT_EQ(0, swapped);
	EXPECT_TRUE(vm_runs(vm, 0));
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, ~0U));
}

TEST_F(pv, child_process_cannot_dump)
{
	struct vm *vm = &self->vm;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(dump_init(vm) == -EIO && rc_untouched(vm) ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, dump_init(vm));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(dump_rest(vm, &(struct dump){}, 4) == -EIO ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* the child and its copy of the address space come and go, the dump stays */
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

/* Tracepoints */

#define TRACEFS "/sys/kernel/debug/tracing/"

static const char *const dump_events[] = {
	"kvm_s390_pv_dump_init", "kvm_s390_pv_dump_cpu", "kvm_s390_pv_dump_stor_state",
	"kvm_s390_pv_dump_complete", "kvm_s390_pv_dump_end",
};

static int write_file(const char *path, const char *val)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, val, strlen(val)) != (ssize_t)strlen(val))
		ret = -errno;
	close(fd);
	return ret;
}

static int trace_write(const char *file, const char *val)
{
	char path[128];

	snprintf(path, sizeof(path), TRACEFS "%s", file);
	return write_file(path, val);
}

static int trace_events(const char *on)
{
	char file[96];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(dump_events); i++) {
		snprintf(file, sizeof(file), "events/kvm-s390/%s/enable", dump_events[i]);
		ret = ret ?: trace_write(file, on);
	}
	return ret;
}

TEST_F(pv, tracepoints_tell_each_step)
{
	static char log[65536];
	static const char *const steps[] = {
		"kvm_s390_pv_dump_init: vm of pid %d rc 1 rrc 0\n",
		"kvm_s390_pv_dump_cpu: vm of pid %d cpu 1 rc 1 rrc 0\n",
		"kvm_s390_pv_dump_stor_state: vm of pid %d gaddr 100000 rc 1 rrc 0\n",
		"kvm_s390_pv_dump_stor_state: vm of pid %d gaddr 200000 rc 1234 rrc 56\n",
		"kvm_s390_pv_dump_complete: vm of pid %d rc 1 rrc 0\n",
		"kvm_s390_pv_dump_end: vm of pid %d\n",
	};
	struct vm *vm = &self->vm;
	const uint64_t per = vm->len.dump_config_mem_buffer_per_1m;
	uint8_t *buf = guarded_alloc(4 * per);
	char step[128], *p = log;
	unsigned int i;
	ssize_t n;
	int fd, ret;

	if (no_sim(_metadata))
		return;
	if (access(TRACEFS "events/kvm-s390/kvm_s390_pv_dump_end", F_OK))
		SKIP(return, "no tracepoints for dumps, or no tracefs");
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, sim_write("faults", "cmd=0x401 nth=2 rc=0x1234 rrc=0x56"));
	ASSERT_EQ(0, trace_write("trace", "0"));
	ASSERT_EQ(0, trace_events("1"));
	ret = dump_init(vm) ?: dump_cpu(vm, 1, buf) ?:
	      dump_stor(vm, buf, 2 * per, MIB) + EINVAL ?:
	      dump_complete(vm, buf, vm->len.dump_config_finalize_len);
	EXPECT_EQ(0, trace_events("0"));
	ASSERT_EQ(0, ret);
	fd = open(TRACEFS "trace", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	while ((n = read(fd, p, log + sizeof(log) - 1 - p)) > 0)
		p += n;
	close(fd);
	p = log;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		snprintf(step, sizeof(step), steps[i], getpid());
		p = strstr(p, step);
		ASSERT_NE(NULL, p)
			TH_LOG("missing: %s", step);
	}
	/* nothing else in between */
	for (n = 0, p = log; (p = strstr(p, "kvm_s390_pv_dump_")); p++)
		n++;
	EXPECT_EQ((ssize_t)ARRAY_SIZE(steps), n);
}

/* INIT before there is anything to dump */

FIXTURE(early) {
	struct vm vm;
};

FIXTURE_VARIANT(early) {
	enum stage stage;
};

FIXTURE_VARIANT_ADD(early, enabled) { .stage = STAGE_ENABLED };
FIXTURE_VARIANT_ADD(early, header_set) { .stage = STAGE_HEADER };
FIXTURE_VARIANT_ADD(early, unpacked) { .stage = STAGE_UNPACKED };

FIXTURE_SETUP(early)
{
	common_setup(_metadata, &self->vm, &default_opts, variant->stage);
}

FIXTURE_TEARDOWN(early)
{
	common_teardown(_metadata, &self->vm);
}

TEST_F(early, init_of_unverified_vm_einval)
{
	struct vm *vm = &self->vm;
	uint8_t *buf = guarded_alloc(vm->len.dump_cpu_buffer_len);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(-EINVAL, dump_init(vm));
	EXPECT_LT(1, vm->cmd.rc);
	EXPECT_FALSE(rc_untouched(vm));
	/* and it left no dump behind */
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_DUMPING));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

/* The owner decides */

FIXTURE(forbidden) {
	struct vm vm;
};

FIXTURE_SETUP(forbidden)
{
	struct vm_opts o = DEFAULT_OPTS;

	if (!env.sim)
		return;
	o.pcf = PCF_PCKMO;
	common_setup(_metadata, &self->vm, &o, STAGE_VERIFIED);
}

FIXTURE_TEARDOWN(forbidden)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

TEST_F(forbidden, init_einval_with_a_reason)
{
	struct vm *vm = &self->vm;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	ASSERT_TRUE(vm_runs(vm, 0));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EINVAL, dump_init(vm));
		EXPECT_LT(1, vm->cmd.rc);
		EXPECT_FALSE(rc_untouched(vm));
		EXPECT_TRUE(vm_runs(vm, 0));
	}
	EXPECT_EQ(2, sim_calls(UVC_INIT));
}

TEST_F(forbidden, nothing_else_reaches_the_ultravisor)
{
	struct vm *vm = &self->vm;
	uint8_t *buf;

	if (no_sim(_metadata))
		return;
	buf = guarded_alloc(PAGE);
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(-EINVAL, dump_init(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, buf));
	EXPECT_EQ(-EINVAL, dump_stor(vm, buf, vm->len.dump_config_mem_buffer_per_1m, 0));
	EXPECT_EQ(-EINVAL, dump_complete(vm, buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(1, sim_dump_calls());
	EXPECT_TRUE(all_bytes(buf, CANARY, PAGE));
}

/* Whole dumps, decrypted */

FIXTURE(dump) {
	struct vm vm;
};

FIXTURE_VARIANT(dump) {
	struct vm_opts opts;
};

FIXTURE_VARIANT_ADD(dump, one_cpu) {
	.opts = { .mib = 3, .cpus = 1, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_VARIANT_ADD(dump, two_cpus) {
	.opts = { .mib = 4, .cpus = 2, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_VARIANT_ADD(dump, four_cpus) {
	.opts = { .mib = 3, .cpus = 4, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_VARIANT_ADD(dump, two_memory_slots) {
	.opts = { .mib = 4, .cpus = 2, .slots = 2, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_VARIANT_ADD(dump, unencrypted_image) {
	.opts = { .mib = 4, .cpus = 2, .pcf = PCF_DUMP | PCF_PLAIN },
};

FIXTURE_VARIANT_ADD(dump, twenty_mib) {
	.opts = { .mib = 20, .cpus = 2, .pcf = PCF_DUMP | PCF_PCKMO },
};

FIXTURE_SETUP(dump)
{
	common_setup(_metadata, &self->vm, &variant->opts, STAGE_VERIFIED);
}

FIXTURE_TEARDOWN(dump)
{
	common_teardown(_metadata, &self->vm);
}

TEST_F(dump, plaintext_is_what_the_guest_was_given)
{
	ASSERT_EQ(0, dump_init(&self->vm));
	EXPECT_EQ(1, self->vm.cmd.rc);
	EXPECT_EQ(0, dump_and_verify(&self->vm, ~0U));
	if (!env.sim)
		return;
	EXPECT_EQ(1, sim_calls(UVC_INIT));
	EXPECT_EQ(variant->opts.cpus, sim_calls(UVC_CPU));
	EXPECT_EQ(variant->opts.mib, sim_calls(UVC_STOR_STATE));
	EXPECT_EQ(1, sim_calls(UVC_COMPLETE));
}

TEST_F(dump, twice_in_a_row_and_in_pieces)
{
	ASSERT_EQ(0, dump_init(&self->vm));
	ASSERT_EQ(0, dump_and_verify(&self->vm, 1));
	ASSERT_TRUE(vm_runs(&self->vm, 0));
	ASSERT_EQ(0, dump_init(&self->vm));
	EXPECT_EQ(0, dump_and_verify(&self->vm, 2));
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

/* A dump that was begun */

FIXTURE(dumping) {
	struct vm vm;
	uint8_t *buf;
	size_t per;
};

FIXTURE_SETUP(dumping)
{
	common_setup(_metadata, &self->vm, &default_opts, STAGE_DUMPING);
	self->per = self->vm.len.dump_config_mem_buffer_per_1m;
	self->buf = guarded_alloc(self->vm.size / MIB * self->per);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(dumping)
{
	common_teardown(_metadata, &self->vm);
}

TEST_F(dumping, init_twice_einval)
{
	EXPECT_EQ(-EINVAL, dump_init(&self->vm));
	EXPECT_TRUE(rc_untouched(&self->vm));
	if (env.sim)
		EXPECT_EQ(0, sim_calls(UVC_INIT));
	EXPECT_EQ(0, dump_and_verify(&self->vm, 4));
}

TEST_F(dumping, enable_again_einval)
{
	EXPECT_EQ(-EINVAL, pv(&self->vm, KVM_PV_ENABLE, NULL));
	EXPECT_TRUE(rc_untouched(&self->vm));
}

TEST_F(dumping, info_works)
{
	uint8_t buf[80];

	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_DUMP, 40, buf));
	EXPECT_EQ(0, info(&self->vm, KVM_PV_INFO_VM, 80, buf));
}

TEST_F(dumping, kvm_run_einval)
{
	unsigned int i;

	for (i = 0; i < self->vm.nr_cpus; i++)
		EXPECT_EQ(-EINVAL, vm_run(&self->vm, i, 50));
}

TEST_F(dumping, kvm_run_with_immediate_exit_einval)
{
	self->vm.run[0]->immediate_exit = 1;
	EXPECT_EQ(-EINVAL, xioctl(self->vm.cpu[0], KVM_RUN, NULL));
	/* it is looked at again when the dump is over */
	ASSERT_EQ(0, dump_and_verify(&self->vm, 4));
	EXPECT_EQ(-EINTR, xioctl(self->vm.cpu[0], KVM_RUN, NULL));
	self->vm.run[0]->immediate_exit = 0;
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

TEST_F(dumping, stor_state_address_must_be_on_a_mib)
{
	static const uint64_t bad[] = { 1, 8, PAGE, MIB - 1, MIB / 2, MIB + PAGE, ~0ULL };
	struct vm *vm = &self->vm;
	unsigned int i;

	ASSERT_EQ(0, dump_stor(vm, self->buf, self->per, MIB));
	memset(self->buf, CANARY, self->per);
	if (env.sim)
		ASSERT_EQ(0, sim_write("counters", "0"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, self->per, bad[i]))
			TH_LOG("address %lx", bad[i]);
		EXPECT_TRUE(rc_untouched(vm));
		EXPECT_EQ(bad[i], vm->dmp.gaddr);
	}
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
}

TEST_F(dumping, stor_state_length_must_be_a_multiple)
{
	struct vm *vm = &self->vm;
	const uint64_t bad[] = {
		0, 1, 16, self->per / 2, self->per - 1, self->per + 1, 2 * self->per - 1,
		self->per + self->per / 2, ~0ULL,
	};
	unsigned int i;

	ASSERT_EQ(0, dump_stor(vm, self->buf, self->per, 0));
	memset(self->buf, CANARY, self->per);
	if (env.sim)
		ASSERT_EQ(0, sim_write("counters", "0"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, bad[i], 0))
			TH_LOG("length %lx", bad[i]);
		EXPECT_TRUE(rc_untouched(vm));
		EXPECT_EQ(0, vm->dmp.gaddr);
	}
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
}

TEST_F(dumping, stor_state_beyond_the_guest_einval)
{
	struct vm *vm = &self->vm;
	const uint64_t end = vm->size;

	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, self->per, end));
	EXPECT_LT(1, vm->cmd.rc);
	EXPECT_FALSE(rc_untouched(vm));
	EXPECT_EQ(end, vm->dmp.gaddr);
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, 3 * self->per, -MIB));
	EXPECT_FALSE(rc_untouched(vm));
	EXPECT_EQ(-MIB, vm->dmp.gaddr);
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	/* the part that exists is delivered, and the address says where it ends */
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, 2 * self->per, end - MIB));
	EXPECT_EQ(end, vm->dmp.gaddr);
	EXPECT_FALSE(all_bytes(self->buf, CANARY, self->per));
	EXPECT_TRUE(all_bytes(self->buf + self->per, CANARY, self->per));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, stor_state_is_the_same_in_any_order_and_size)
{
	struct vm *vm = &self->vm;
	size_t mib = vm->size / MIB, i;
	uint8_t *other = guarded_alloc(mib * self->per);

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, dump_stor(vm, self->buf, mib * self->per, 0));
	for (i = mib; i-- > 0;) {
		ASSERT_EQ(0, dump_stor(vm, other + i * self->per, self->per, i * MIB));
		EXPECT_EQ(1, vm->cmd.rc);
	}
	EXPECT_EQ(0, memcmp(self->buf, other, mib * self->per));
}

TEST_F(dumping, stor_state_writes_what_was_asked_for)
{
	struct vm *vm = &self->vm;

	ASSERT_EQ(0, dump_stor(vm, self->buf + self->per, self->per, MIB));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	EXPECT_FALSE(all_bytes(self->buf + self->per, CANARY, self->per));
	EXPECT_TRUE(all_bytes(self->buf + 2 * self->per, CANARY, self->per));
	/* unaligned buffers are as good as others */
	ASSERT_EQ(0, dump_stor(vm, self->buf + 1, self->per, MIB));
	EXPECT_EQ(0, memcmp(self->buf + 1 + self->per - 16, self->buf + 2 * self->per - 16, 16));
}

TEST_F(dumping, stor_state_success_leaves_the_structure_alone)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp *d;
	struct kvm_s390_pv_dmp val = {
		.subcmd = KVM_PV_DUMP_CONFIG_STOR_STATE, .buff_addr = (uintptr_t)self->buf,
		.buff_len = self->per, .gaddr = MIB,
	};

	/* the helper compares, gaddr included; */
	ASSERT_EQ(0, dump_stor(vm, self->buf, self->per, MIB));
	ASSERT_EQ(MIB, vm->dmp.gaddr);
	/* and success is no error because a structure cannot be written */
	d = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)d);
	*d = val;
	ASSERT_EQ(0, mprotect(d, PAGE, PROT_READ));
	EXPECT_EQ(0, pv(vm, KVM_PV_DUMP, d));
	EXPECT_EQ(1, vm->cmd.rc);
}

TEST_F(dumping, stor_state_unwritable_buffer_efault)
{
	struct vm *vm = &self->vm;
	uint8_t *bad = no_access(4 * self->per);

	ASSERT_NE(NULL, bad);
	EXPECT_EQ(-EFAULT, dump_stor(vm, bad, 2 * self->per, MIB));
	EXPECT_EQ(MIB, vm->dmp.gaddr);
	EXPECT_EQ(-EFAULT, dump_stor(vm, (void *)~0xfffUL, self->per, MIB));
	EXPECT_EQ(MIB, vm->dmp.gaddr);
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, stor_state_efault_tells_how_far_it_came)
{
	struct vm *vm = &self->vm;
	size_t mib = vm->size / MIB, len = mib * self->per, good;
	uint8_t *buf;

	ASSERT_EQ(0, self->per % PAGE);
	ASSERT_EQ(0, dump_stor(vm, self->buf, len, 0));
	for (good = 0; good < mib; good++) {
		buf = guarded_alloc(len);
		ASSERT_NE(NULL, buf);
		ASSERT_EQ(0, mprotect(buf + good * self->per, self->per, PROT_NONE));
		EXPECT_EQ(-EFAULT, dump_stor(vm, buf, len, 0));
		EXPECT_EQ(1, vm->cmd.rc);
		EXPECT_EQ(good * MIB, vm->dmp.gaddr);
		EXPECT_EQ(0, memcmp(self->buf, buf, good * self->per));
		/* go on where it stopped */
		ASSERT_EQ(0, mprotect(buf + good * self->per, self->per, PROT_READ | PROT_WRITE));
		EXPECT_EQ(0, dump_stor(vm, buf + vm->dmp.gaddr / MIB * self->per,
				       len - vm->dmp.gaddr / MIB * self->per, vm->dmp.gaddr));
		EXPECT_EQ(0, memcmp(self->buf, buf, len));
		/* a block that fits only in part is not delivered */
		ASSERT_EQ(0, mprotect(buf + good * self->per, PAGE, PROT_NONE));
		memset(buf, CANARY, good * self->per);
		if (good)
			EXPECT_EQ(-EFAULT, dump_stor(vm, buf + 8, len - self->per, 0));
		if (good)
			EXPECT_EQ((good - 1) * MIB, vm->dmp.gaddr);
		munmap(buf, len);
	}
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, stor_state_resumes_after_a_uv_error)
{
	struct vm *vm = &self->vm;
	size_t mib = vm->size / MIB, len = mib * self->per, good;
	uint8_t *buf = guarded_alloc(len);

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, dump_stor(vm, self->buf, len, 0));
	for (good = 0; good < mib; good++) {
		memset(buf, CANARY, len);
		ASSERT_EQ(0, sim_write("faults", "cmd=0x401 nth=%zu rc=0x1234 rrc=0x56",
				       good + 1));
		EXPECT_EQ(-EINVAL, dump_stor(vm, buf, len, 0));
		EXPECT_EQ(0x1234, vm->cmd.rc);
		EXPECT_EQ(0x56, vm->cmd.rrc);
		EXPECT_EQ(good * MIB, vm->dmp.gaddr);
		EXPECT_EQ(0, memcmp(self->buf, buf, good * self->per));
		EXPECT_TRUE(all_bytes(buf + good * self->per, CANARY, len - good * self->per));
		EXPECT_EQ(0, dump_stor(vm, buf + good * self->per, len - good * self->per,
				       vm->dmp.gaddr));
		EXPECT_EQ(1, vm->cmd.rc);
		EXPECT_EQ(0, memcmp(self->buf, buf, len));
		ASSERT_EQ(0, sim_write("faults", "clear"));
	}
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, complete_short_buffer_einval)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	const uint64_t bad[] = { 0, 1, COMPL_LEN - 1, len / 2, len - 1 };
	uint8_t *buf = guarded_alloc(len);
	unsigned int i;

	ASSERT_NE(NULL, buf);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, dump_complete(vm, buf, bad[i]));
		EXPECT_TRUE(rc_untouched(vm));
	}
	EXPECT_TRUE(all_bytes(buf, CANARY, len));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, complete_longer_buffer_keeps_its_tail)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	uint8_t *buf = guarded_alloc(len + PAGE);

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, dump_complete(vm, buf, len + PAGE));
	EXPECT_EQ(1, vm->cmd.rc);
	EXPECT_EQ(1, get32(buf));
	EXPECT_TRUE(all_bytes(buf + len, CANARY, PAGE));
}

TEST_F(dumping, complete_buffer_may_end_before_an_unmapped_page)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	uint8_t *buf = guarded_alloc(len);

	ASSERT_NE(NULL, buf);
	buf += -len & (PAGE - 1);
	EXPECT_EQ(0, dump_complete(vm, buf, len));
}

TEST_F(dumping, complete_ends_the_dump)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	uint8_t *buf = guarded_alloc(len);
	long calls;

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, dump_complete(vm, buf, len));
	calls = env.sim ? sim_dump_calls() : 0;
	EXPECT_EQ(-EINVAL, dump_complete(vm, buf, len));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, self->per, 0));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	if (env.sim)
		EXPECT_EQ(calls, sim_dump_calls());
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(dumping, complete_efault_keeps_the_data)
{
	static struct dump d;
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	uint8_t *bad = no_access(len + PAGE);
	unsigned int i;

	ASSERT_NE(NULL, bad);
	ASSERT_EQ(0, dump_alloc(vm, &d));
	if (env.sim)
		ASSERT_EQ(0, sim_set_registers(vm, &d));
	for (i = 0; i < vm->nr_cpus; i++)
		ASSERT_EQ(0, dump_cpu(vm, i, d.cpu[i]));
	ASSERT_EQ(0, dump_stor(vm, d.meta, d.meta_len, 0));
	EXPECT_EQ(-EFAULT, dump_complete(vm, bad, len));
	EXPECT_EQ(1, vm->cmd.rc);
	/* the buffer ends one byte early */
	EXPECT_EQ(-EFAULT, dump_complete(vm, d.compl + (-len & (PAGE - 1)) + 1, len));
	EXPECT_TRUE(rc_untouched(vm));
	memset(d.compl, CANARY, len);
	EXPECT_EQ(-EINVAL, dump_complete(vm, d.compl, len - 1));
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_complete(vm, d.compl, len));
	if (env.sim)
		EXPECT_EQ(1, sim_calls(UVC_COMPLETE));
	EXPECT_EQ(0, dump_verify(vm, &d));
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_EQ(-EINVAL, dump_complete(vm, d.compl, len));
}

TEST_F(dumping, nothing_but_complete_after_complete_efault)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;

	ASSERT_EQ(-EFAULT, dump_complete(vm, no_access(len), len));
	if (env.sim)
		ASSERT_EQ(0, sim_write("counters", "0"));
	EXPECT_EQ(-EINVAL, dump_init(vm));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_stor(vm, self->buf, self->per, 0));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, self->per));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	EXPECT_EQ(0, dump_complete(vm, self->buf, len));
	EXPECT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, disable_drops_data_not_delivered)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;

	ASSERT_EQ(-EFAULT, dump_complete(vm, no_access(len), len));
	ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	EXPECT_EQ(-EINVAL, dump_complete(vm, self->buf, len));
	ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_VERIFIED));
	/* the data of the life before must not come out now */
	EXPECT_EQ(-EINVAL, dump_complete(vm, self->buf, len));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, len));
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, cpu_length_must_match)
{
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_cpu_buffer_len;
	const uint64_t bad[] = {
		0, 1, CPU_LEN - 1, len / 2, len - 1, len + 1, 2 * len, ~0ULL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, cpu_dmp(vm, 0, KVM_PV_DUMP_CPU, self->buf, bad[i]))
			TH_LOG("length %lx", bad[i]);
		EXPECT_TRUE(rc_untouched(vm));
	}
	EXPECT_TRUE(all_bytes(self->buf, CANARY, 2 * len));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	EXPECT_EQ(0, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(all_bytes(self->buf + len, CANARY, len));
}

TEST_F(dumping, cpu_rc_is_at_offset_4)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp d = {
		.subcmd = KVM_PV_DUMP_CPU, .buff_addr = (uintptr_t)self->buf,
		.buff_len = vm->len.dump_cpu_buffer_len,
	};
	uint8_t raw[32] = {};

	put32(raw, KVM_PV_DUMP);
	put32(raw + 4, 0x11112222);
	put64(raw + 8, (uintptr_t)&d);
	ASSERT_EQ(0, xioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, raw));
	EXPECT_EQ(KVM_PV_DUMP, get32(raw));
	EXPECT_EQ(1, get32(raw + 4) >> 16);
	EXPECT_EQ((uintptr_t)&d, get64(raw + 8));
	EXPECT_TRUE(all_bytes(raw + 16, 0, 16));
}

TEST_F(dumping, cpu_other_subcommands_einval)
{
	static const uint64_t sub[] = {
		KVM_PV_DUMP_INIT, KVM_PV_DUMP_CONFIG_STOR_STATE, KVM_PV_DUMP_COMPLETE, 4,
		3 + (1ULL << 32), ~0ULL,
	};
	struct vm *vm = &self->vm;
	unsigned int i;

	ASSERT_EQ(0, dump_cpu(vm, 0, self->buf));
	for (i = 0; i < ARRAY_SIZE(sub); i++) {
		EXPECT_EQ(-EINVAL, cpu_dmp(vm, 0, sub[i], self->buf,
					   vm->len.dump_cpu_buffer_len));
		EXPECT_TRUE(rc_untouched(vm));
	}
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, cpu_other_commands_einval)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp d = {
		.subcmd = KVM_PV_DUMP_CPU, .buff_addr = (uintptr_t)self->buf,
		.buff_len = vm->len.dump_cpu_buffer_len,
	};
	struct kvm_pv_cmd cmd = { .data = (uintptr_t)&d };

	for (cmd.cmd = 0; cmd.cmd < 12; cmd.cmd++)
		EXPECT_EQ(cmd.cmd == KVM_PV_DUMP ? 0 : -EINVAL,
			  pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd))
			TH_LOG("command %u", cmd.cmd);
	cmd.cmd = KVM_PV_DUMP;
	cmd.flags = 1;
	EXPECT_EQ(-EINVAL, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
	cmd.flags = 0x80000000;
	EXPECT_EQ(-EINVAL, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
}

TEST_F(dumping, cpu_structures_must_be_accessible)
{
	struct vm *vm = &self->vm;
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_DUMP };
	uint8_t *page = guarded_alloc(PAGE);
	void *bad = no_access(PAGE);

	ASSERT_NE(NULL, page);
	ASSERT_NE(NULL, bad);
	ASSERT_EQ(0, dump_cpu(vm, 0, self->buf));
	EXPECT_EQ(-EFAULT, xioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, bad));
	cmd.data = (uintptr_t)bad;
	EXPECT_EQ(-EFAULT, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
	cmd.data = (uintptr_t)page + PAGE - 63;
	EXPECT_EQ(-EFAULT, pv_ioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, &cmd));
	/* rc cannot be delivered */
	vm->dmp.buff_addr = (uintptr_t)self->buf;
	cmd.data = (uintptr_t)&vm->dmp;
	memcpy(page, &cmd, sizeof(cmd));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(vm->cpu[0], KVM_S390_PV_CPU_COMMAND, page));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, cpu_unwritable_buffer_efault)
{
	struct vm *vm = &self->vm;

	EXPECT_EQ(-EFAULT, dump_cpu(vm, 0, no_access(vm->len.dump_cpu_buffer_len)));
	EXPECT_EQ(1, vm->cmd.rc);
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, cpu_works_for_stopped_vcpus_and_repeatedly)
{
	struct vm *vm = &self->vm;
	uint8_t iv[IV_LEN];

	ASSERT_EQ(0, dump_cpu(vm, 1, self->buf));
	memcpy(iv, self->buf + CPU_IV, IV_LEN);
	ASSERT_EQ(0, dump_cpu(vm, 1, self->buf));
	EXPECT_NE(0, memcmp(iv, self->buf + CPU_IV, IV_LEN));
}

TEST_F(dumping, undeliverable_rc_efault_but_the_dump_goes_on)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_dmp d = { .subcmd = KVM_PV_DUMP_INIT };
	struct kvm_pv_cmd cmd = { .cmd = KVM_PV_DUMP, .data = (uintptr_t)&d };
	uint8_t *page = guarded_alloc(PAGE);

	ASSERT_NE(NULL, page);
	ASSERT_EQ(0, dump_and_verify(vm, 4));
	memcpy(page, &cmd, sizeof(cmd));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(vm->fd, KVM_S390_PV_COMMAND, page));
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(dumping, new_vcpu_is_blocked_and_dumpable)
{
	struct vm *vm = &self->vm;
	unsigned int i = vm->nr_cpus;
	long sie = env.sim ? sim_sie() : 0;

	ASSERT_EQ(0, vm_add_cpu(vm));
	EXPECT_EQ(-EINVAL, vm_run(vm, i, 30));
	if (env.sim)
		EXPECT_EQ(sie, sim_sie());
	EXPECT_EQ(0, dump_cpu(vm, i, self->buf));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	ASSERT_EQ(0, vm_set_state(vm, i, KVM_MP_STATE_OPERATING));
	sie = env.sim ? sim_sie() : 0;
	EXPECT_TRUE(vm_runs(vm, i));
	if (env.sim)
		EXPECT_LT(sie, sim_sie());
}

TEST_F(dumping, crypto_attribute_does_not_unblock)
{
	struct kvm_device_attr on = {
		.group = KVM_S390_VM_CRYPTO, .attr = KVM_S390_VM_CRYPTO_ENABLE_AES_KW,
	};
	struct kvm_device_attr off = {
		.group = KVM_S390_VM_CRYPTO, .attr = KVM_S390_VM_CRYPTO_DISABLE_AES_KW,
	};
	struct vm *vm = &self->vm;
	struct runner r;
	unsigned int i;
	long sie;

	if (no_sim(_metadata))
		return;
	sie = sim_sie();
	ASSERT_EQ(0, rerunner_start(&r, vm, 0));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, xioctl(vm->fd, KVM_SET_DEVICE_ATTR, &on));
		ASSERT_EQ(0, xioctl(vm->fd, KVM_SET_DEVICE_ATTR, &off));
	}
	sleep_ms(20);
	EXPECT_EQ(sie, sim_sie());
	runner_join(&r, 100);
	EXPECT_EQ(-EINVAL, r.ret);
	EXPECT_EQ(sie, sim_sie());
	/* and what was changed meanwhile does not keep them blocked afterwards */
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_LT(sie, sim_sie());
}

TEST_F(dumping, disable_ends_the_dump)
{
	struct vm *vm = &self->vm;
	long sie;

	ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	EXPECT_EQ(-EINVAL, dump_complete(vm, self->buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(rc_untouched(vm));
	EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
	EXPECT_TRUE(rc_untouched(vm));
	if (env.sim)
		EXPECT_EQ(0, sim_dump_calls());
	/* an ordinary VM now, and free to run */
	sie = env.sim ? sim_sie() : 0;
	EXPECT_TRUE(vm_runs(vm, 0));
	if (env.sim)
		EXPECT_LT(sie, sim_sie());
}

TEST_F(dumping, new_life_after_disable)
{
	struct vm *vm = &self->vm;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
		ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_VERIFIED));
		/* no dump came along */
		EXPECT_TRUE(vm_runs(vm, 0));
		EXPECT_EQ(-EINVAL, dump_cpu(vm, 0, self->buf));
		ASSERT_EQ(0, dump_init(vm));
	}
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

struct dumper {
	pthread_t thread;
	struct vm vm;		/* same fds, own structures */
	uint8_t *buf;
	size_t len;
	unsigned int good;
	int stop;
	int ret;
};

/*
 * CPU 0 and the storage state, over and over; 0 and -EINVAL are all it may get,
 * and no response code but 1: KVM knows that the dump is over, no UVC has to
 * find out.
 */
static void *dumper_fn(void *arg)
{
	struct dumper *d = arg;
	int ret;

	while (!__atomic_load_n(&d->stop, __ATOMIC_ACQUIRE)) {
		ret = dump_cpu(&d->vm, 0, d->buf);
		if (!ret)
			ret = dump_stor(&d->vm, d->buf, d->len, 0);
		if (!ret)
			__atomic_fetch_add(&d->good, 1, __ATOMIC_RELAXED);
		else if (ret != -EINVAL)
			d->ret = ret;
		if (!rc_untouched(&d->vm) && d->vm.cmd.rc != 1)
			d->ret = d->vm.cmd.rc;
	}
	return NULL;
}

static void race_with_dumper(struct __test_metadata *_metadata, struct vm *vm, bool disable)
{
	uint8_t *buf = guarded_alloc(PAGE);
	struct dumper d = { .vm = *vm };
	double end = now() + LONG_ENOUGH;
	unsigned int i;

	ASSERT_NE(NULL, buf);
	d.len = vm->size / MIB * vm->len.dump_config_mem_buffer_per_1m;
	d.buf = guarded_alloc(d.len);
	ASSERT_NE(NULL, d.buf);
	ASSERT_EQ(0, pthread_create(&d.thread, NULL, dumper_fn, &d));
	/* that nothing gets to the Ultravisor with a stale handle is for it to watch */
	for (i = 0; i < 20; i++) {
		if (disable) {
			ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
			ASSERT_EQ(0, vm_protect(vm, &the_image, STAGE_DUMPING));
		} else {
			ASSERT_EQ(0, dump_complete(vm, buf, PAGE));
			ASSERT_EQ(0, dump_init(vm));
		}
		sleep_ms(i % 4);
	}
	while (!__atomic_load_n(&d.good, __ATOMIC_RELAXED) && now() < end)
		sleep_ms(1);
	__atomic_store_n(&d.stop, 1, __ATOMIC_RELEASE);
	pthread_join(d.thread, NULL);
	EXPECT_EQ(0, d.ret);
	EXPECT_LT(0, d.good);
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, end_and_new_dump_race_with_dump_calls)
{
	if (env.gentle)
		SKIP(return, "a kernel with the defect fails by chance only");
	if (no_sim(_metadata))
		return;
	race_with_dumper(_metadata, &self->vm, false);
}

TEST_F(dumping, disable_and_new_life_race_with_dump_calls)
{
	if (env.gentle)
		SKIP(return, "a kernel with the defect fails by chance only");
	if (no_sim(_metadata))
		return;
	race_with_dumper(_metadata, &self->vm, true);
}

static void *disable_fn(void *arg)
{
	struct dumper *d = arg;

	d->ret = pv(&d->vm, KVM_PV_DISABLE, NULL);
	return NULL;
}

TEST_F(dumping, cpu_dump_in_the_middle_of_disable)
{
	struct vm *vm = &self->vm;
	struct dumper d = { .vm = *vm };
	unsigned int i;

	if (no_sim(_metadata))
		return;
	/* CPU 0 is gone, CPU 1 goes slowly, and the dump is not over before that */
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=2 delay_us=300000", UVC_DESTROY_CPU));
	ASSERT_EQ(0, pthread_create(&d.thread, NULL, disable_fn, &d));
	while (!sim_calls(UVC_DESTROY_CPU))
		sleep_ms(1);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EINVAL, dump_cpu(vm, i, self->buf));
		EXPECT_TRUE(rc_untouched(vm));
	}
	pthread_join(d.thread, NULL);
	EXPECT_EQ(0, d.ret);
	EXPECT_EQ(0, sim_calls(UVC_CPU));
	EXPECT_TRUE(all_bytes(self->buf, CANARY, PAGE));
}

static void *cpu_fn(void *arg)
{
	struct dumper *d = arg;

	d->ret = dump_cpu(&d->vm, 0, d->buf);
	return NULL;
}

TEST_F(dumping, complete_waits_for_a_cpu_dump)
{
	struct vm *vm = &self->vm;
	struct dumper d = { .vm = *vm, .buf = guarded_alloc(PAGE) };

	if (no_sim(_metadata))
		return;
	ASSERT_NE(NULL, d.buf);
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 delay_us=300000", UVC_CPU));
	ASSERT_EQ(0, pthread_create(&d.thread, NULL, cpu_fn, &d));
	while (sim_hits() != 1)
		sleep_ms(1);
	/* the UVC is under way: no other may end the dump before it is through */
	EXPECT_EQ(0, dump_complete(vm, self->buf, vm->len.dump_config_finalize_len));
	pthread_join(d.thread, NULL);
	EXPECT_EQ(0, d.ret);
	EXPECT_EQ(1, d.vm.cmd.rc);
}

TEST_F(dumping, image_commands_do_not_end_the_dump)
{
	struct vm *vm = &self->vm;
	struct kvm_s390_pv_sec_parm parm = {
		.origin = (uintptr_t)the_image.header, .length = the_image.header_len,
	};

	/* whether these work is up to the Ultravisor */
	pv(vm, KVM_PV_SET_SEC_PARMS, &parm);
	pv(vm, KVM_PV_VERIFY, NULL);
	pv(vm, KVM_PV_UNSHARE_ALL, NULL);
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, stopping_and_starting_vcpus_does_not_end_the_dump)
{
	struct vm *vm = &self->vm;

	vm_set_state(vm, 1, KVM_MP_STATE_STOPPED);
	vm_set_state(vm, 1, KVM_MP_STATE_OPERATING);
	EXPECT_EQ(-EINVAL, vm_run(vm, 1, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
}

TEST_F(dumping, closing_a_vcpu_fd_does_not_end_the_dump)
{
	struct vm *vm = &self->vm;

	close(vm->cpu[1]);
	EXPECT_EQ(0, dump_cpu(vm, 0, self->buf));
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_complete(vm, self->buf, vm->len.dump_config_finalize_len));
	EXPECT_TRUE(vm_runs(vm, 0));
}

/*
 * Fault injection: the n-th copy or allocation of a page in a system call fails,
 * for every n. A kernel with FAILSLAB, FAULT_INJECTION_USERCOPY and their debugfs
 * files has it, and "slub_debug=A,kmalloc-4k" picks the cache: what else is
 * allocated is for the debug options, and not the same number each time.
 */

static bool no_fault_injection(struct __test_metadata *_metadata)
{
	int fd = open("/sys/kernel/slab/kmalloc-4k/failslab", O_RDONLY | O_CLOEXEC);
	char cache = 0;

	/* not the pages of the caches, if it is there */
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "30");
	if (fd < 0 || read(fd, &cache, 1) != 1 || cache != '1' ||
	    access("/proc/thread-self/fail-nth", W_OK) ||
	    write_file("/sys/kernel/debug/failslab/cache-filter", "Y") ||
	    write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") ||
	    write_file("/sys/kernel/debug/failslab/verbose", "0") ||
	    write_file("/sys/kernel/debug/fail_usercopy/verbose", "0"))
		SKIP(return true, "needs a kernel with fault injection");
	close(fd);
	return false;
}

static int fail_nth_fd = -1;

/* The next system call but this one has a failure at its @n-th possibility. */
static void fail_nth(unsigned int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	if (fail_nth_fd < 0)
		fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	/* one that is left from before may hit the copy from buf */
	while (pwrite(fail_nth_fd, buf, len, 0) != len) {
		if (errno != EFAULT) {
			log_err("fail-nth: %s", strerror(errno));
			_exit(1);
		}
	}
}

/* Was there an @n-th possibility? */
static bool failed_nth(void)
{
	char buf[16] = "";
	bool failed;

	/* 0: it was used up. The copy to buf is a possibility, too: not used up before. */
	failed = pread(fail_nth_fd, buf, sizeof(buf) - 1, 0) > 0 && !strtoul(buf, NULL, 10);
	fail_nth(0);
	return failed;
}

struct fail_count {
	unsigned int enomem, efault, others;
};

static void count_failure(struct fail_count *c, const char *what, unsigned int n, int ret)
{
	c->enomem += ret == -ENOMEM;
	c->efault += ret == -EFAULT;
	if (ret == 0 || ret == -ENOMEM || ret == -EFAULT)
		return;
	c->others++;
	log_err("%s, failure %u: %d", what, n, ret);
}

/* A command that can be repeated: with each failure there is, and then without */
static struct fail_count fail_each(struct vm *vm, unsigned int uvc, void *buf, size_t len)
{
	struct fail_count c = {};
	bool failed = true;
	unsigned int n;
	int ret = 0;

	for (n = 1; failed; n++) {
		fail_nth(n);
		ret = uvc == UVC_CPU ? dump_cpu(vm, 0, buf) : dump_stor(vm, buf, len, 0);
		failed = failed_nth();
		if (failed)
			count_failure(&c, uvc == UVC_CPU ? "CPU" : "STOR_STATE", n, ret);
	}
	c.others += !!ret;
	return c;
}

TEST_F_TIMEOUT(dumping, failing_allocations_and_copies_lose_nothing, 240)
{
	static struct dump d;
	struct vm *vm = &self->vm;
	const uint64_t len = vm->len.dump_config_finalize_len;
	struct fail_count c;
	unsigned int n, pass;
	bool failed;
	int ret;

	if (no_sim(_metadata) || no_fault_injection(_metadata))
		return;
	memset(&d, 0, sizeof(d));
	ASSERT_EQ(0, dump_alloc(vm, &d));
	ASSERT_EQ(0, sim_set_registers(vm, &d));
	ASSERT_EQ(0, dump_cpu(vm, 1, d.cpu[1]));

	/* command, structure, data, for the VM also the command on its way back */
	c = fail_each(vm, UVC_CPU, d.cpu[0], 0);
	EXPECT_EQ(0, c.others);
	EXPECT_EQ(3, c.efault);
	EXPECT_EQ(1, c.enomem);
	c = fail_each(vm, UVC_STOR_STATE, d.meta, self->per);
	EXPECT_EQ(0, c.others);
	EXPECT_EQ(4, c.efault);
	EXPECT_EQ(1, c.enomem);
	c = fail_each(vm, UVC_STOR_STATE, d.meta, d.meta_len);
	EXPECT_EQ(0, c.others);
	EXPECT_EQ(4, c.efault);

	/* ACTIVE and, with the data of a UVC that is through, COMPLETED */
	for (pass = 0; pass < 2; pass++) {
		if (pass)
			ASSERT_EQ(-EFAULT, dump_complete(vm, no_access(len), len));
		for (n = 1, c = (struct fail_count) {}, failed = true; failed; n++) {
			fail_nth(n);
			ret = dump_complete(vm, d.compl, len);
			failed = failed_nth();
			if (failed)
				count_failure(&c, "COMPLETE", n, ret);
			if (vm_run(vm, 0, 5) == -EINVAL) {
				ASSERT_NE(0, ret);
				continue;
			}
			/* it was delivered, even if the command was not copied back */
			ASSERT_EQ(0, dump_verify(vm, &d))
				TH_LOG("COMPLETE, failure %u: %d", n, ret);
			memset(d.compl, CANARY, len);
			ASSERT_EQ(0, dump_init(vm));
			ASSERT_EQ(0, dump_cpu(vm, 0, d.cpu[0]));
			ASSERT_EQ(0, dump_cpu(vm, 1, d.cpu[1]));
		}
		EXPECT_EQ(0, c.others);
		/* the 4th is the data; or the command on its way back, as is the 5th then */
		EXPECT_EQ(pass ? 5 : 3, c.efault);
		EXPECT_EQ(pass ? 0 : 1, c.enomem);
	}

	/* INIT: not begun, or begun and the command could not be copied back */
	ASSERT_EQ(0, dump_complete(vm, d.compl, len));
	for (n = 1, c = (struct fail_count) {}, failed = true; failed; n++) {
		fail_nth(n);
		ret = dump_init(vm);
		failed = failed_nth();
		if (failed)
			count_failure(&c, "INIT", n, ret);
		if (vm_run(vm, 0, 5) != -EINVAL) {
			ASSERT_NE(0, ret);
			continue;
		}
		ASSERT_EQ(0, dump_complete(vm, d.compl, len));
	}
	EXPECT_EQ(0, c.others);
	EXPECT_EQ(3, c.efault);
	ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

/* Every UV call of a dump: errors and busy answers */

FIXTURE(uvc) {
	struct vm vm;
	uint8_t *buf;
};

FIXTURE_VARIANT(uvc) {
	unsigned int uvc;
};

FIXTURE_VARIANT_ADD(uvc, init) { .uvc = UVC_INIT };
FIXTURE_VARIANT_ADD(uvc, stor_state) { .uvc = UVC_STOR_STATE };
FIXTURE_VARIANT_ADD(uvc, cpu) { .uvc = UVC_CPU };
FIXTURE_VARIANT_ADD(uvc, complete) { .uvc = UVC_COMPLETE };

FIXTURE_SETUP(uvc)
{
	if (!env.sim)
		return;
	common_setup(_metadata, &self->vm, &default_opts,
		     variant->uvc == UVC_INIT ? STAGE_VERIFIED : STAGE_DUMPING);
	self->buf = guarded_alloc(PAGE);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(uvc)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

static int do_uvc(struct vm *vm, unsigned int uvc, void *buf)
{
	switch (uvc) {
	case UVC_INIT:
		return dump_init(vm);
	case UVC_STOR_STATE:
		return dump_stor(vm, buf, vm->len.dump_config_mem_buffer_per_1m, MIB);
	case UVC_CPU:
		return dump_cpu(vm, 0, buf);
	default:
		return dump_complete(vm, buf, vm->len.dump_config_finalize_len);
	}
}

TEST_F(uvc, error_einval_with_rc_and_rrc)
{
	struct vm *vm = &self->vm;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 rc=0x1234 rrc=0x56 count=2",
			       variant->uvc));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EINVAL, do_uvc(vm, variant->uvc, self->buf));
		EXPECT_EQ(0x1234, vm->cmd.rc);
		EXPECT_EQ(0x56, vm->cmd.rrc);
		EXPECT_TRUE(all_bytes(self->buf, CANARY, PAGE));
	}
	EXPECT_EQ(2, sim_dump_calls());
	if (variant->uvc == UVC_INIT) {
		EXPECT_TRUE(vm_runs(vm, 0));
		ASSERT_EQ(0, dump_init(vm));
	}
	/* nothing was lost and nothing ended */
	EXPECT_EQ(-EINVAL, vm_run(vm, 0, 20));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_TRUE(vm_runs(vm, 0));
}

static void busy_is_retried(struct __test_metadata *_metadata, struct vm *vm, unsigned int uvc,
			    unsigned int cc)
{
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 busy=7 cc=%u", uvc, cc));
	if (uvc == UVC_INIT)
		ASSERT_EQ(0, dump_init(vm));
	EXPECT_EQ(0, dump_and_verify(vm, 4));
	EXPECT_EQ(uvc == UVC_STOR_STATE ? 4 : uvc == UVC_CPU ? 2 : 1, sim_calls(uvc));
	EXPECT_TRUE(vm_runs(vm, 0));
}

TEST_F(uvc, busy_cc2_is_retried)
{
	if (no_sim(_metadata))
		return;
	busy_is_retried(_metadata, &self->vm, variant->uvc, 2);
}

TEST_F(uvc, busy_cc3_is_retried)
{
	if (no_sim(_metadata))
		return;
	busy_is_retried(_metadata, &self->vm, variant->uvc, 3);
}

TEST_F(uvc, error_in_front_of_disable_leaves_nothing)
{
	struct vm *vm = &self->vm;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, sim_write("faults", "cmd=0x%x nth=1 rc=0x1234", variant->uvc));
	ASSERT_EQ(-EINVAL, do_uvc(vm, variant->uvc, self->buf));
	ASSERT_EQ(0, pv(vm, KVM_PV_DISABLE, NULL));
	EXPECT_TRUE(vm_runs(vm, 0));
	EXPECT_TRUE(sim_no_objects());
}

/*
 * VMs of another process. The child goes to a certain place and reports it; what
 * it gets is SIGKILL.
 */

FIXTURE(owner) {
	int pipe[2];
	pid_t pid;
};

FIXTURE_SETUP(owner)
{
	if (env.sim) {
		ASSERT_EQ(0, sim_reset());
		violations_before = sim_violations();
	}
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(owner)
{
	if (!env.sim)
		return;
	EXPECT_TRUE(sim_no_objects());
	EXPECT_EQ(violations_before, sim_violations());
	EXPECT_EQ(0, sim_write("faults", "clear"));
}

/* In the child: a VM at @stage, or exit */
static void child_vm(struct vm *vm, unsigned int mib, enum stage stage)
{
	struct vm_opts o = DEFAULT_OPTS;

	o.mib = mib;
	if (image_build(&the_image, mib * MIB, o.pcf) || vm_create(vm, &o) ||
	    vm_protect(vm, &the_image, stage))
		_exit(1);
}

static void child_report(int fd)
{
	if (write(fd, "x", 1) != 1)
		_exit(1);
}

static bool child_ready(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

/* False if the child does not end by itself; it is gone afterwards in any case. */
static bool child_kill(pid_t pid)
{
	double end = now() + LONG_ENOUGH;
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now() > end) {
			sim_write("faults", "clear");
			waitpid(pid, &status, 0);
			return false;
		}
		sleep_ms(2);
	}
	return true;
}

/* Every block is a UVC, so their number says how long the signal was not seen. */
TEST_F(owner, sigkill_ends_a_million_blocks_within_one)
{
	int status;
	long calls;

	if (no_sim(_metadata))
		return;
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid) {
		struct vm vm;
		uint8_t *buf;
		size_t len;

		child_vm(&vm, 64, STAGE_DUMPING);
		len = vm.len.dump_config_mem_buffer_per_1m << 20;
		buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (buf == MAP_FAILED ||
		    sim_write("faults", "cmd=0x401 nth=1 count=0 delay_us=100000"))
			_exit(1);
		child_report(self->pipe[1]);
		_exit(dump_stor(&vm, buf, len, 0));
	}
	close(self->pipe[1]);
	ASSERT_TRUE(child_ready(self->pipe[0]));
	while (sim_calls(UVC_STOR_STATE) < 2)
		sleep_ms(1);
	ASSERT_EQ(0, waitpid(self->pid, &status, WNOHANG));
	kill(self->pid, SIGKILL);
	calls = sim_calls(UVC_STOR_STATE);
	ASSERT_GT(62, calls);
	EXPECT_TRUE(child_kill(self->pid));
	EXPECT_GE(calls + 1, sim_calls(UVC_STOR_STATE));
}

static void busy_is_killable(struct __test_metadata *_metadata, int *fds, unsigned int uvc)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		static uint8_t buf[2 * PAGE];
		struct vm vm;

		child_vm(&vm, 4, uvc == UVC_INIT ? STAGE_VERIFIED : STAGE_DUMPING);
		if (sim_write("faults", "cmd=0x%x nth=1 busy=0x7fffffff", uvc))
			_exit(1);
		child_report(fds[1]);
		_exit(do_uvc(&vm, uvc, buf));
	}
	close(fds[1]);
	ASSERT_TRUE(child_ready(fds[0]));
	while (sim_hits() < 1)
		sleep_ms(1);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_TRUE(child_kill(pid));
}

TEST_F(owner, sigkill_ends_init_of_a_busy_ultravisor)
{
	if (no_sim(_metadata))
		return;
	busy_is_killable(_metadata, self->pipe, UVC_INIT);
}

TEST_F(owner, sigkill_ends_stor_state_of_a_busy_ultravisor)
{
	if (no_sim(_metadata))
		return;
	busy_is_killable(_metadata, self->pipe, UVC_STOR_STATE);
}

TEST_F(owner, sigkill_ends_cpu_dump_of_a_busy_ultravisor)
{
	if (no_sim(_metadata))
		return;
	busy_is_killable(_metadata, self->pipe, UVC_CPU);
}

TEST_F(owner, sigkill_ends_complete_of_a_busy_ultravisor)
{
	if (no_sim(_metadata))
		return;
	busy_is_killable(_metadata, self->pipe, UVC_COMPLETE);
}

TEST_F(owner, sigkill_with_vcpus_in_kvm_run)
{
	if (no_sim(_metadata))
		return;
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid) {
		struct runner r[2];
		struct vm vm;

		child_vm(&vm, 4, STAGE_VERIFIED);
		if (runner_start(&r[0], &vm, 0) || runner_start(&r[1], &vm, 1))
			_exit(1);
		sleep_ms(20);
		if (dump_init(&vm))
			_exit(1);
		child_report(self->pipe[1]);
		pause();
	}
	close(self->pipe[1]);
	ASSERT_TRUE(child_ready(self->pipe[0]));
	EXPECT_TRUE(child_kill(self->pid));
}

TEST_F(owner, exec_ends_the_dump)
{
	int status;

	if (no_sim(_metadata))
		return;
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid) {
		struct vm vm;

		child_vm(&vm, 4, STAGE_DUMPING);
		if (sim_objects() <= 0)
			_exit(1);
		child_report(self->pipe[1]);
		execl("/proc/self/exe", "pv_dump_test", "--wait", NULL);
		_exit(1);
	}
	close(self->pipe[1]);
	ASSERT_TRUE(child_ready(self->pipe[0]));
	/* the new program sleeps, its fds and memory are those of exec */
	EXPECT_TRUE(sim_no_objects());
	EXPECT_EQ(0, waitpid(self->pid, &status, WNOHANG));
	kill(self->pid, SIGKILL);
	EXPECT_EQ(self->pid, waitpid(self->pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
}

/* The end of a VM in every state */

enum place {
	AT_VERIFIED,
	AT_INIT_FAILED,
	AT_DUMPING,
	AT_CPU_DUMPED,
	AT_HALF_STORED,
	AT_STORED,
	AT_UNDELIVERED,
	AT_COMPLETED,
	AT_DISABLED,
};

FIXTURE(end) {
	struct vm vm;
};

FIXTURE_VARIANT(end) {
	enum place at;
};

FIXTURE_VARIANT_ADD(end, verified) { .at = AT_VERIFIED };
FIXTURE_VARIANT_ADD(end, init_failed) { .at = AT_INIT_FAILED };
FIXTURE_VARIANT_ADD(end, dumping) { .at = AT_DUMPING };
FIXTURE_VARIANT_ADD(end, cpu_dumped) { .at = AT_CPU_DUMPED };
FIXTURE_VARIANT_ADD(end, half_stored) { .at = AT_HALF_STORED };
FIXTURE_VARIANT_ADD(end, stored) { .at = AT_STORED };
FIXTURE_VARIANT_ADD(end, completion_undelivered) { .at = AT_UNDELIVERED };
FIXTURE_VARIANT_ADD(end, completed) { .at = AT_COMPLETED };
FIXTURE_VARIANT_ADD(end, disabled) { .at = AT_DISABLED };

static int go_to(struct vm *vm, enum place at)
{
	size_t per = vm->len.dump_config_mem_buffer_per_1m;
	uint8_t *buf = guarded_alloc(vm->size / MIB * per);
	int ret;

	if (!buf)
		return -ENOMEM;
	ret = STEP(vm_protect(vm, &the_image, STAGE_VERIFIED));
	if (!ret && at == AT_INIT_FAILED) {
		ret = STEP(sim_write("faults", "cmd=0x400 nth=1 rc=0x1234"));
		return ret ?: dump_init(vm) == -EINVAL ? 0 : -EPROTO;
	}
	if (!ret && at >= AT_DUMPING)
		ret = STEP(dump_init(vm));
	if (!ret && at >= AT_CPU_DUMPED)
		ret = STEP(dump_cpu(vm, 0, buf));
	if (!ret && at >= AT_HALF_STORED)
		ret = STEP(dump_stor(vm, buf, vm->size / MIB / 2 * per, 0));
	if (!ret && at >= AT_STORED)
		ret = STEP(dump_stor(vm, buf, vm->size / MIB * per, 0));
	if (!ret && at == AT_UNDELIVERED)
		return dump_complete(vm, no_access(PAGE), PAGE) == -EFAULT ? 0 : -EPROTO;
	if (!ret && at >= AT_COMPLETED)
		ret = STEP(dump_complete(vm, buf, vm->len.dump_config_finalize_len));
	if (!ret && at == AT_DISABLED)
		ret = STEP(pv(vm, KVM_PV_DISABLE, NULL));
	return ret;
}

FIXTURE_SETUP(end)
{
	if (env.sim)
		common_setup(_metadata, &self->vm, &default_opts, STAGE_VM);
}

FIXTURE_TEARDOWN(end)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

TEST_F(end, close_vcpus_first)
{
	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, go_to(&self->vm, variant->at));
	vm_close_cpus(&self->vm);
	vm_close(&self->vm);
	EXPECT_TRUE(sim_no_objects());
}

TEST_F(end, close_vm_first)
{
	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, go_to(&self->vm, variant->at));
	close(self->vm.fd);
	self->vm.fd = -1;
	/* the vcpus keep the VM alive, with the state it is in */
	EXPECT_EQ(variant->at >= AT_DUMPING && variant->at <= AT_UNDELIVERED,
		  vm_run(&self->vm, 0, 20) == -EINVAL);
	vm_close(&self->vm);
	EXPECT_TRUE(sim_no_objects());
}

TEST_F(end, unmap_guest_memory_first)
{
	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, go_to(&self->vm, variant->at));
	ASSERT_EQ(0, munmap(self->vm.mem, self->vm.size));
	vm_close(&self->vm);
	EXPECT_TRUE(sim_no_objects());
}

TEST_F(end, sigkill_the_owner)
{
	int fds[2];
	pid_t pid;

	if (no_sim(_metadata))
		return;
	vm_close(&self->vm);
	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vm_opts o = DEFAULT_OPTS;
		struct vm vm;

		if (vm_create(&vm, &o) || go_to(&vm, variant->at))
			_exit(1);
		child_report(fds[1]);
		pause();
	}
	close(fds[1]);
	ASSERT_TRUE(child_ready(fds[0]));
	EXPECT_TRUE(child_kill(pid));
	EXPECT_TRUE(sim_no_objects());
}

/* A larger guest: requests that take a while */

FIXTURE(big) {
	struct vm vm;
	struct vm other;	/* for the second thread: same fds, own structures */
	uint8_t *buf;
	uint8_t *ref;
	size_t per;
	size_t len;
};

/*
 * kvm->lock is free for a moment after each few blocks. A waiter on a machine
 * whose CPUs are stolen can miss that moment, so there have to be many.
 */
#define BIG_MIB		256

FIXTURE_SETUP(big)
{
	struct vm_opts o = DEFAULT_OPTS;

	if (!env.sim)
		return;
	o.mib = BIG_MIB;
	common_setup(_metadata, &self->vm, &o, STAGE_DUMPING);
	self->per = self->vm.len.dump_config_mem_buffer_per_1m;
	self->len = BIG_MIB * self->per;
	self->buf = guarded_alloc(self->len);
	self->ref = guarded_alloc(self->len);
	ASSERT_NE(NULL, self->buf);
	ASSERT_NE(NULL, self->ref);
	ASSERT_EQ(0, dump_stor(&self->vm, self->ref, self->len, 0));
	self->other = self->vm;
}

FIXTURE_TEARDOWN(big)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

struct stor {
	pthread_t thread;
	struct vm *vm;
	uint8_t *buf;
	size_t len;
	uint64_t gaddr;
	int ret;
	int done;
};

static void *stor_fn(void *arg)
{
	struct stor *s = arg;

	s->ret = dump_stor(s->vm, s->buf, s->len, s->gaddr);
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* 256 blocks of 20 ms, under way but far from the end */
static int stor_start(struct stor *s, struct vm *vm, uint8_t *buf, size_t len)
{
	double end = now() + LONG_ENOUGH;
	long calls = sim_calls(UVC_STOR_STATE);
	int ret = sim_write("faults", "cmd=0x401 nth=1 count=0 delay_us=20000");

	*s = (struct stor) { .vm = vm, .buf = buf, .len = len };
	ret = ret ?: -pthread_create(&s->thread, NULL, stor_fn, s);
	while (!ret && sim_calls(UVC_STOR_STATE) < calls + 2) {
		if (now() > end)
			return -ETIME;
		sleep_ms(1);
	}
	return ret;
}

TEST_F(big, stor_state_is_not_ended_by_signals)
{
	struct itimerval it = {
		.it_value.tv_usec = 3000, .it_interval.tv_usec = 3000,
	};
	struct itimerval off = {};
	double start;

	if (no_sim(_metadata))
		return;
	catch_signal(SIGALRM);
	ASSERT_EQ(0, sim_write("faults", "cmd=0x401 nth=1 count=0 delay_us=300"));
	start = now();
	setitimer(ITIMER_REAL, &it, NULL);
	EXPECT_EQ(0, dump_stor(&self->vm, self->buf, self->len, 0));
	setitimer(ITIMER_REAL, &off, NULL);
	EXPECT_LT(0.05, now() - start);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

TEST_F(big, cpu_dump_does_not_wait_for_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	EXPECT_EQ(0, dump_cpu(&self->vm, 0, guarded_alloc(PAGE)));
	EXPECT_FALSE(wait_done(&s.done, 0));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(s.thread, NULL);
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

TEST_F(big, vm_ioctls_do_not_wait_for_all_of_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, sim_write("counters", "0"));
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	EXPECT_EQ(0, pv_info_dump(&self->vm));
	EXPECT_GT(BIG_MIB, sim_calls(UVC_STOR_STATE));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	pthread_join(s.thread, NULL);
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

/* KiB that the kernel took for itself in pieces of pages */
static long mem_used(void)
{
	char buf[4096] = "", *vmalloc, *slab;
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	vmalloc = strstr(buf, "VmallocUsed:");
	slab = strstr(buf, "SUnreclaim:");
	if (n <= 0 || !vmalloc || !slab)
		return -1;
	return strtol(vmalloc + 12, NULL, 10) + strtol(slab + 11, NULL, 10);
}

TEST_F(big, stor_state_takes_little_memory)
{
	long used, least = LONG_MAX;
	struct stor s;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	/* others take memory, too, but hardly each time */
	for (i = 0; i < 5; i++) {
		used = mem_used();
		ASSERT_LT(0, used);
		ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
		used = mem_used() - used;
		EXPECT_FALSE(wait_done(&s.done, 0));
		ASSERT_EQ(0, sim_write("faults", "clear"));
		pthread_join(s.thread, NULL);
		ASSERT_EQ(0, s.ret);
		if (used < least)
			least = used;
	}
	EXPECT_GT(512, least);
}

/* What STOR_STATE delivered is good, what it did not is untouched. */
static void check_interrupted(struct __test_metadata *_metadata, struct stor *s,
			      const uint8_t *ref, size_t per)
{
	size_t good;

	pthread_join(s->thread, NULL);
	EXPECT_EQ(-EINVAL, s->ret);
	good = s->vm->dmp.gaddr / MIB * per;
	EXPECT_EQ(0, s->vm->dmp.gaddr % MIB);
	ASSERT_GT(s->len, good);
	EXPECT_EQ(0, memcmp(s->buf, ref, good));
	EXPECT_TRUE(all_bytes(s->buf + good, CANARY, s->len - good));
}

TEST_F(big, disable_ends_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	EXPECT_EQ(0, pv(&self->vm, KVM_PV_DISABLE, NULL));
	check_interrupted(_metadata, &s, self->ref, self->per);
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

TEST_F(big, complete_ends_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	EXPECT_EQ(0, dump_complete(&self->vm, guarded_alloc(PAGE), PAGE));
	check_interrupted(_metadata, &s, self->ref, self->per);
	EXPECT_TRUE(vm_runs(&self->vm, 0));
}

TEST_F(big, next_dump_does_not_revive_stor_state)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len));
	EXPECT_EQ(0, dump_complete(&self->vm, guarded_alloc(PAGE), PAGE));
	EXPECT_EQ(0, dump_init(&self->vm));
	check_interrupted(_metadata, &s, self->ref, self->per);
	ASSERT_EQ(0, sim_write("faults", "clear"));
	EXPECT_EQ(0, dump_and_verify(&self->vm, 16));
}

TEST_F(big, two_threads_can_share_the_work)
{
	struct stor s;

	if (no_sim(_metadata))
		return;
	ASSERT_EQ(0, stor_start(&s, &self->other, self->buf, self->len / 2));
	ASSERT_EQ(0, sim_write("faults", "clear"));
	EXPECT_EQ(0, dump_stor(&self->vm, self->buf + self->len / 2, self->len / 2,
			       BIG_MIB / 2 * MIB));
	pthread_join(s.thread, NULL);
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(0, memcmp(self->buf, self->ref, self->len));
}

TEST_F(big, fault_in_a_later_part_of_the_request)
{
	static const unsigned int nth[] = { 15, 16, 17, 18, 33, 255, 256 };
	size_t good;
	unsigned int i;

	if (no_sim(_metadata))
		return;
	for (i = 0; i < ARRAY_SIZE(nth); i++) {
		good = (nth[i] - 1) * self->per;
		memset(self->buf, CANARY, self->len);
		ASSERT_EQ(0, sim_write("faults", "cmd=0x401 nth=%u rc=0x1234", nth[i]));
		EXPECT_EQ(-EINVAL, dump_stor(&self->vm, self->buf, self->len, 0));
		EXPECT_EQ(0x1234, self->vm.cmd.rc);
		EXPECT_EQ((nth[i] - 1) * MIB, self->vm.dmp.gaddr);
		EXPECT_EQ(0, memcmp(self->buf, self->ref, good));
		EXPECT_TRUE(all_bytes(self->buf + good, CANARY, self->len - good));
		ASSERT_EQ(0, sim_write("faults", "clear"));
	}
	/* the same for a buffer that ends somewhere */
	for (i = 0; i < ARRAY_SIZE(nth); i++) {
		good = (nth[i] - 1) * self->per;
		memset(self->buf, CANARY, self->len);
		ASSERT_EQ(0, mprotect(self->buf + good, self->per, PROT_NONE));
		EXPECT_EQ(-EFAULT, dump_stor(&self->vm, self->buf, self->len, 0));
		EXPECT_EQ((nth[i] - 1) * MIB, self->vm.dmp.gaddr);
		EXPECT_EQ(0, memcmp(self->buf, self->ref, good));
		ASSERT_EQ(0, mprotect(self->buf + good, self->per, PROT_READ | PROT_WRITE));
	}
}

/* Firmware that reports odd things */

FIXTURE(qui) {
	struct vm vm;
};

FIXTURE_VARIANT(qui) {
	const char *key;
	uint64_t value;
	bool off;		/* the capability has to be off */
	bool harmful;		/* for a kernel that leaves it on */
	uint64_t clear;		/* bits of calls0 to clear */
};

#define CALL_BIT(n)	(1ULL << (63 - (n)))

FIXTURE_VARIANT_ADD(qui, no_init_call) { .clear = CALL_BIT(24), .off = true };
FIXTURE_VARIANT_ADD(qui, no_stor_state_call) { .clear = CALL_BIT(25), .off = true };
FIXTURE_VARIANT_ADD(qui, no_cpu_call) { .clear = CALL_BIT(26), .off = true };
FIXTURE_VARIANT_ADD(qui, no_complete_call) { .clear = CALL_BIT(27), .off = true };

FIXTURE_VARIANT_ADD(qui, stor_state_0) { .key = "stor_state_len", .value = 0, .off = true };
FIXTURE_VARIANT_ADD(qui, stor_state_16) { .key = "stor_state_len", .value = 16 };
FIXTURE_VARIANT_ADD(qui, stor_state_4k) { .key = "stor_state_len", .value = 4096 };
FIXTURE_VARIANT_ADD(qui, stor_state_8k) { .key = "stor_state_len", .value = 8192 };
FIXTURE_VARIANT_ADD(qui, stor_state_12k) { .key = "stor_state_len", .value = 12288 };
FIXTURE_VARIANT_ADD(qui, stor_state_64k) { .key = "stor_state_len", .value = 65536 };
FIXTURE_VARIANT_ADD(qui, stor_state_1m) { .key = "stor_state_len", .value = MIB };
FIXTURE_VARIANT_ADD(qui, stor_state_2m) {
	.key = "stor_state_len", .value = 2 * MIB, .off = true, .harmful = true,
};

FIXTURE_VARIANT_ADD(qui, stor_state_absurd) {
	.key = "stor_state_len", .value = ~0ULL, .off = true, .harmful = true,
};

FIXTURE_VARIANT_ADD(qui, finalize_0) {
	.key = "finalize_len", .value = 0, .off = true, .harmful = true,
};

FIXTURE_VARIANT_ADD(qui, finalize_288) { .key = "finalize_len", .value = 288 };
FIXTURE_VARIANT_ADD(qui, finalize_5000) { .key = "finalize_len", .value = 5000 };
FIXTURE_VARIANT_ADD(qui, finalize_absurd) {
	.key = "finalize_len", .value = ~0ULL, .off = true, .harmful = true,
};

FIXTURE_VARIANT_ADD(qui, cpu_1568) { .key = "cpu_len", .value = 1568 };
FIXTURE_VARIANT_ADD(qui, cpu_12k) { .key = "cpu_len", .value = 12288 };

FIXTURE_SETUP(qui)
{
	struct vm_opts o = DEFAULT_OPTS;
	uint64_t calls;

	if (!env.sim)
		return;
	ASSERT_EQ(0, sim_reset());
	violations_before = sim_violations();
	ASSERT_EQ(0, image_build(&the_image, o.mib * MIB, o.pcf));
	if (variant->key) {
		ASSERT_EQ(0, sim_write("qui", "%s=0x%lx", variant->key, variant->value));
	} else {
		ASSERT_EQ(0, sim_qui("calls0", &calls));
		ASSERT_NE(0, calls & variant->clear);
		ASSERT_EQ(0, sim_write("qui", "calls0=0x%lx", calls & ~variant->clear));
	}
	ASSERT_EQ(0, vm_create(&self->vm, &o));
	ASSERT_EQ(0, vm_protect(&self->vm, &the_image, STAGE_VERIFIED));
}

FIXTURE_TEARDOWN(qui)
{
	if (env.sim)
		common_teardown(_metadata, &self->vm);
}

TEST_F(qui, capability_is_off_or_right)
{
	struct vm *vm = &self->vm;
	uint64_t val;
	uint8_t *buf;
	int cap, ret;

	if (no_sim(_metadata))
		return;
	if (env.gentle && variant->harmful)
		SKIP(return, "would crash a kernel that trusts the length");
	cap = ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP);
	EXPECT_EQ(cap, ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP));
	EXPECT_EQ(1, ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED));
	/* INFO tells what there is in any case */
	EXPECT_EQ(0, pv_info_dump(vm));
	if (variant->key) {
		val = !strcmp(variant->key, "cpu_len") ? vm->len.dump_cpu_buffer_len :
		      !strcmp(variant->key, "finalize_len") ? vm->len.dump_config_finalize_len :
		      vm->len.dump_config_mem_buffer_per_1m;
		EXPECT_EQ(variant->value, val);
	}
	if (variant->off)
		EXPECT_EQ(0, cap);
	if (!cap) {
		ASSERT_EQ(0, sim_write("counters", "0"));
		EXPECT_EQ(-EINVAL, dump_init(vm));
		EXPECT_TRUE(rc_untouched(vm));
		EXPECT_EQ(0, sim_dump_calls());
		EXPECT_TRUE(vm_runs(vm, 0));
		return;
	}
	ASSERT_EQ(0, dump_init(vm));
	val = vm->len.dump_config_mem_buffer_per_1m;
	if (val == PAGE) {
		EXPECT_EQ(0, dump_and_verify(vm, 3));
		EXPECT_TRUE(vm_runs(vm, 0));
		return;
	}
	buf = guarded_alloc(4 * val);
	ASSERT_NE(NULL, buf);
	ret = dump_stor(vm, buf, 4 * val, 0);
	if (val < PAGE) {
		/* too short for the 256 pages of a block: the Ultravisor says so */
		EXPECT_EQ(-EINVAL, ret);
		EXPECT_FALSE(rc_untouched(vm));
		return;
	}
	ASSERT_EQ(0, ret);
	/* 256 entries, the rest of each block is zero */
	for (ret = 0; ret < 4; ret++) {
		EXPECT_NE(CANARY, buf[ret * val]);
		EXPECT_TRUE(all_bytes(buf + ret * val + PAGE, 0, val - PAGE));
	}
	EXPECT_TRUE(all_bytes(buf + 4 * val, CANARY, -4 * val & (PAGE - 1)));
	/* component of the first page of the image */
	EXPECT_NE(0xffffffff, get32(buf + 0x10 * 16));
	EXPECT_EQ(0xffffffff, get32(buf));
	EXPECT_EQ(-EINVAL, dump_stor(vm, buf, PAGE, 0));
	EXPECT_TRUE(rc_untouched(vm));
	/* any number of blocks, although the length is no power of two */
	for (ret = 1; ret <= 4; ret++)
		EXPECT_EQ(0, dump_stor(vm, buf, ret * val, 0));
}

/*
 * Benchmark (--bench): no test, nothing here is judged. Under QEMU's icount with
 * shift=0 a nanosecond of CLOCK_MONOTONIC is an instruction; uvsim in its cheapest
 * mode (cheap=1) leaves little but the kernel's own share. Prints "name value unit".
 */
#define BENCH_MIB	4096

struct bench {
	struct vm vm;
	uint8_t *buf;
	uint64_t len;
	uint64_t best;
};

static uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void bench_ioctl(struct bench *b, int fd, unsigned long nr, void *arg)
{
	uint64_t start = bench_now();
	int ret = ioctl(fd, nr, arg);
	uint64_t cost = bench_now() - start;

	if (ret < 0) {
		perror("bench");
		exit(KSFT_FAIL);
	}
	if (!b->best || cost < b->best)
		b->best = cost;
}

static void bench_dmp(struct bench *b, uint64_t subcmd, uint64_t len)
{
	struct kvm_s390_pv_dmp d = {
		.subcmd = subcmd, .buff_addr = (uintptr_t)b->buf, .buff_len = len,
	};
	struct kvm_pv_cmd c = { .cmd = KVM_PV_DUMP, .data = (uintptr_t)&d };

	if (subcmd == KVM_PV_DUMP_CPU)
		bench_ioctl(b, b->vm.cpu[0], KVM_S390_PV_CPU_COMMAND, &c);
	else
		bench_ioctl(b, b->vm.fd, KVM_S390_PV_COMMAND, &c);
}

static void bench_print(struct bench *b, const char *name)
{
	printf("bench %s %llu instructions\n", name, (unsigned long long)b->best);
	b->best = 0;
}

/*
 * What a buffer costs depends on the free lists of the page allocator, which may
 * stay the same for all of a boot. Take some pages, so that each boot meets the
 * best case.
 */
static void bench_disturb(void)
{
	char *p = mmap(NULL, 32768, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		exit(KSFT_FAIL);
}

/* In KiB, with the pages on lists of the CPUs, which MemFree does not count */
static long bench_mem_free(void)
{
	char line[256];
	long n, pages = 0;
	FILE *f;
	int fd;

	/* The counters of each CPU have to be added up first */
	fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);
	if (fd < 0 || read(fd, line, sizeof(line)) < 0)
		exit(KSFT_FAIL);
	close(fd);
	f = fopen("/proc/zoneinfo", "r");
	if (!f)
		exit(KSFT_FAIL);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " nr_free_pages %ld", &n) == 1 ||
		    sscanf(line, " count: %ld", &n) == 1)
			pages += n;
	}
	fclose(f);
	return pages * (PAGE / 1024);
}

static void *bench_long_request(void *arg)
{
	struct bench *b = arg;

	bench_dmp(b, KVM_PV_DUMP_CONFIG_STOR_STATE, b->len);
	return NULL;
}

/* One request, in a thread: returns when it is under way */
static pthread_t bench_start(struct bench *b, uint64_t blocks)
{
	pthread_t thread;

	b->len = blocks * b->vm.len.dump_config_mem_buffer_per_1m;
	sim_write("counters", "0");
	if (pthread_create(&thread, NULL, bench_long_request, b))
		exit(KSFT_FAIL);
	while (sim_calls(UVC_STOR_STATE) < 32)
		sleep_ms(1);
	return thread;
}

static void bench_vm(struct bench *b)
{
	struct vm_opts o = DEFAULT_OPTS;

	o.mib = BENCH_MIB;
	if (vm_create(&b->vm, &o) || vm_protect(&b->vm, &the_image, STAGE_VERIFIED))
		exit(KSFT_FAIL);
	b->buf = mmap(NULL, BENCH_MIB * b->vm.len.dump_config_mem_buffer_per_1m,
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (b->buf == MAP_FAILED)
		exit(KSFT_FAIL);
}

static int run_bench(void)
{
	static const unsigned int blocks[] = { 1, 16, 256, BENCH_MIB };
	struct kvm_s390_pv_info info = {
		.header.id = KVM_PV_INFO_DUMP, .header.len_max = sizeof(info),
	};
	struct kvm_pv_cmd info_cmd = { .cmd = KVM_PV_INFO, .data = (uintptr_t)&info };
	uint64_t wait, longest = 0;
	long calls, used, mem = 0;
	struct bench b = {};
	pthread_t thread;
	unsigned int i, n;
	char name[32];
	pid_t pid;

	if (sim_reset() || image_build(&the_image, BENCH_MIB * MIB, PCF_DUMP | PCF_PCKMO))
		return KSFT_FAIL;

	/* Before there is a VM here: its memory would have to be copied */
	pid = fork();
	if (!pid) {
		bench_vm(&b);
		if (sim_write("faults", "cmd=0x401 count=0 delay_us=100"))
			_exit(KSFT_FAIL);
		dump_init(&b.vm);
		sim_write("counters", "0");
		b.len = BENCH_MIB * b.vm.len.dump_config_mem_buffer_per_1m;
		bench_long_request(&b);
		_exit(KSFT_FAIL);
	}
	while (sim_calls(UVC_STOR_STATE) < 32 && !waitpid(pid, NULL, WNOHANG))
		sleep_ms(1);
	calls = sim_calls(UVC_STOR_STATE);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("bench after_sigkill %ld blocks\n", sim_calls(UVC_STOR_STATE) - calls);
	if (sim_reset() || image_build(&the_image, BENCH_MIB * MIB, PCF_DUMP | PCF_PCKMO))
		return KSFT_FAIL;

	bench_vm(&b);
	for (n = 0; n < 20; n++)
		bench_ioctl(&b, env.kvm, KVM_GET_API_VERSION, NULL);
	bench_print(&b, "null");
	for (n = 0; n < 20; n++)
		bench_ioctl(&b, b.vm.fd, KVM_S390_PV_COMMAND, &info_cmd);
	bench_print(&b, "info");
	for (n = 0; n < 10; n++) {
		bench_dmp(&b, KVM_PV_DUMP_INIT, 0);
		dump_complete(&b.vm, b.buf, b.vm.len.dump_config_finalize_len);
	}
	bench_print(&b, "init");
	for (n = 0; n < 10; n++) {
		dump_init(&b.vm);
		bench_dmp(&b, KVM_PV_DUMP_COMPLETE, b.vm.len.dump_config_finalize_len);
	}
	bench_print(&b, "complete");
	dump_init(&b.vm);
	for (n = 0; n < 20; n++)
		bench_dmp(&b, KVM_PV_DUMP_CPU, b.vm.len.dump_cpu_buffer_len);
	bench_print(&b, "cpu");
	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		for (n = 0; n < (blocks[i] > 256 ? 10 : 40); n++) {
			bench_disturb();
			bench_dmp(&b, KVM_PV_DUMP_CONFIG_STOR_STATE,
				  blocks[i] * b.vm.len.dump_config_mem_buffer_per_1m);
		}
		snprintf(name, sizeof(name), "stor_state_%u", blocks[i]);
		bench_print(&b, name);
	}
	dump_complete(&b.vm, b.buf, b.vm.len.dump_config_finalize_len);

	/* What a long request takes from others, with UV calls of 100 us */
	sim_write("faults", "cmd=0x401 count=0 delay_us=100");
	dump_init(&b.vm);
	for (n = 0; n < 4; n++) {
		used = bench_mem_free();
		thread = bench_start(&b, 512);
		used -= bench_mem_free();
		/* the first thread needs memory of its own */
		if (!n || used < mem)
			mem = used;
		pthread_join(thread, NULL);
	}
	printf("bench request_memory %ld KiB\n", mem);
	/* KVM_PV_INFO does nothing but wait for kvm->lock; a block takes 100 us */
	thread = bench_start(&b, BENCH_MIB);
	for (n = 0; n < 8; n++) {
		wait = bench_now();
		ioctl(b.vm.fd, KVM_S390_PV_COMMAND, &info_cmd);
		wait = bench_now() - wait;
		longest = wait > longest ? wait : longest;
	}
	pthread_join(thread, NULL);
	printf("bench lock_held %llu blocks\n", (unsigned long long)longest / 100000);
	return KSFT_PASS;
}

/* The environment */

static int check_image_env(void)
{
	env.image = getenv("PV_DUMP_IMAGE") ?: "";
	return !env.image[0] || access(env.image, R_OK) ? -ENOENT : 0;
}

static bool alg_available(void)
{
	uint8_t key[64] = {}, hash[64];
	int xts = alg_open("skcipher", "xts(aes)", key, 64, 0);
	int gcm = alg_open("aead", "gcm(aes)", key, 32, TAG_LEN);

	key[32] = 1;
	close(xts);
	close(gcm);
	return xts >= 0 && gcm >= 0 && !alg_hash("hmac(sha512)", key, 64, key, 64, hash) &&
	       !alg_hash("sha512", NULL, 0, key, 64, hash);
}

/*
 * Drops all tests but those whose name, FIXTURE.VARIANT.TEST as it is printed,
 * matches @pattern. The lists are those that the harness walks.
 */
static int keep_tests(const char *pattern)
{
	static struct __fixture_variant_metadata none = { .name = "" };
	struct __fixture_variant_metadata *v, **vlink;
	struct __fixture_metadata *f;
	struct __test_metadata *t, **tlink;
	char name[256];
	int kept = 0;
	regex_t re;
	bool match, variants;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
		return 0;
#define MATCH (snprintf(name, sizeof(name), "%s%s%s.%s", f->name, v->name[0] ? "." : "", \
			v->name, t->name), !regexec(&re, name, 0, NULL, 0))
	for (f = __fixture_list; f; f = f->next) {
		variants = f->variant;
		for (vlink = &f->variant; (v = *vlink);) {
			for (match = false, t = f->tests; t; t = t->next)
				match |= MATCH;
			if (match)
				vlink = &v->next;
			else
				*vlink = v->next;
		}
		if (variants && !f->variant)
			f->tests = NULL;
		for (tlink = &f->tests; (t = *tlink);) {
			for (match = false, v = f->variant ?: &none; v; v = v->next)
				match |= MATCH;
			kept += match;
			if (match)
				tlink = &t->next;
			else
				*tlink = t->next;
		}
	}
#undef MATCH
	regfree(&re);
	return kept;
}

int main(int argc, char **argv)
{
	int fd;

	/* what exec_ends_the_dump becomes */
	if (argc > 1 && !strcmp(argv[1], "--wait")) {
		sleep_ms(10000);
		return KSFT_FAIL;
	}
	if (argc > 1 && !strcmp(argv[1], "--gentle")) {
		env.gentle = true;
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	env.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (env.kvm < 0)
		ksft_exit_skip("/dev/kvm: %s\n", strerror(errno));
	env.sim = !access("/sys/kernel/debug/uvsim/counters", W_OK);
	if (check_image_env() && !env.sim)
		ksft_exit_skip("neither uvsim (debugfs) nor an image in PV_DUMP_IMAGE\n");
	if (env.sim && (sim_write("qui", "reset") || sim_write("faults", "clear")))
		ksft_exit_skip("uvsim is in use\n");
	if (ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED) <= 0)
		ksft_exit_skip("KVM_CAP_S390_PROTECTED not available\n");
	if (ioctl(env.kvm, KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED_DUMP) <= 0)
		ksft_exit_skip("KVM_CAP_S390_PROTECTED_DUMP not available\n");
	if (!alg_available())
		ksft_exit_skip("AF_ALG (sysctl crypto.af_alg_restrict?) lacks one of %s\n",
			       "xts(aes) gcm(aes) hmac(sha512) sha512");
	fd = ioctl(env.kvm, KVM_CREATE_VM, 0UL);
	if (fd < 0)
		ksft_exit_skip("KVM_CREATE_VM: %s (sysctl vm.allocate_pgste?)\n",
			       strerror(errno));
	close(fd);
	if (argc > 1 && !strcmp(argv[1], "--bench"))
		return run_bench();
	if (argc == 3 && !strcmp(argv[1], "--only")) {
		if (!keep_tests(argv[2])) {
			ksft_print_msg("no test matches %s\n", argv[2]);
			return KSFT_FAIL;
		}
		argc = 1;
	}
	return test_harness_run(argc, argv);
}
