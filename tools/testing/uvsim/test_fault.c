// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test: fault rules
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include "test.h"

/* The call that has the fault rules: no handle, no state */
#define CALL	0x0001
#define FAILS	RC(0x0123, 0x4)

void test_faults(void)
{
	static const char * const bad[] = {
		"", "cmd", "cmd=1", "rc=2", "cmd=1 rc=1", "cmd=0 rc=2", "cmd=1 nth=0 rc=2",
		"cmd=1 rc=2 busy=1", "cmd=0x10000 rc=2", "cmd=1 rc=0x10000", "cmd=1 busy=1 cc=1",
		"cmd=1 busy=1 cc=4", "cmd=1 busy=0x100000000", "cmd=1 rc=2 rrc=0x10000",
		"cmd=1 rc=2 what=1", "cmd=1 delay_us=0x100000000", "clear all",
		"sie_delay_us", "sie_delay_us=0x100000000", "cmd=1 sie_delay_us=1",
		"sie_delay_us=1 cmd=1",
	};
	static const u8 answers[] = { 0, 2, 0, 2, 0, 0 };
	u64 start;
	int i;

	order("faults", "clear");
	order("faults", "cmd=1 rc=0x123 rrc=0x4 nth=2 count=2");
	row(CALL, "nth=2 count=2: first", OK, 0);
	row(CALL, "nth=2 count=2: second", FAILS, 0);
	row(CALL, "nth=2 count=2: third", FAILS, 0);
	row(CALL, "nth=2 count=2: fourth", OK, 0);
	order("faults", "clear");
	order("faults", "cmd=1 rc=0x123 rrc=0x4 count=0");
	for (i = 0; i < 3; i++)
		row(CALL, "count=0", FAILS, 0);
	row(0x0002, "no rule for this one", INV_CMD, 1);
	order("faults", "clear");

	/* once in front of the second one, and of the third */
	order("faults", "cmd=1 busy=1 nth=2 count=2");
	fill_block(CALL);
	for (i = 0; i < ARRAY_SIZE(answers); i++)
		result(uvc(0, block) == answers[i], "0x0001 query: busy=1 nth=2 count=2, answer %d",
		       i);
	order("faults", "clear");

	order("faults", "cmd=1 delay_us=3000");
	start = ktime_get_ns();
	row(CALL, "delay_us=3000", OK, 0);
	result(ktime_get_ns() - start >= 3000 * NSEC_PER_USEC, "0x0001 query: took as long");
	order("faults", "clear");

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		result(control("faults", bad[i]) == -EINVAL, "fault: not \"%s\"", bad[i]);
	for (i = 0; i < 16 && !control("faults", "cmd=2 rc=2"); i++)
		;
	result(i == 16 && control("faults", "cmd=2 rc=2") == -ENOSPC, "fault: too many rules");
	order("faults", "clear");
}

/* Keys of hosts: what is none, and what becomes of the images */
void test_keys(void)
{
#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
	static const char * const bad[] = {
		"", "clear all", DIGITS "f", DIGITS "f " DIGITS, DIGITS "f " DIGITS "ff",
		DIGITS "g " DIGITS "f", DIGITS "f " DIGITS "-", DIGITS "ff " DIGITS "f",
	};
	struct guest *a = t.g;
	int i;

	create_conf(a);
	make_header(GOOD_PCF, 0, 0, 0);
	order("header_keys", "clear");
	row(0x0300, "no key is known", RC(0x0108, 0x05), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		result(control("header_keys", bad[i]) == -EINVAL, "key: not \"%s\"", bad[i]);
	for (i = 0; i < 15 && !control("header_keys", DIGITS "f " DIGITS "f"); i++)
		;
	know_host_key();
	result(i == 15 && control("header_keys", DIGITS "f " DIGITS "f") == -ENOSPC,
	       "key: too many");
	row(0x0300, "the last key is the right one", OK, 0);
	end_guest(a);
}
