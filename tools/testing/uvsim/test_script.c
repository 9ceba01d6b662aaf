// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim_test: scripts
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include "test.h"

/* What a step does is seen with vcpus; here is what no step can be. */
void test_script(void)
{
	static const char * const good[] = {
		"boot", "boot ipib=0x12000", "plain", "plain cpu=1 r0=1 r15=2 icpt=0x1c",
		"pv r15=1 c15=2 a15=0xffffffff psw_mask=1 psw_addr=2 prefix=3 fpc=4 todpr=5",
		"pv cpu=256 dumps=1 at=0xfff8 value=1 icpt=0x68 ipa=0x8324 ipb=0x03080000",
		"pv timer=1 todcmp=2",
	}, * const bad[] = {
		"", "guest", "clear all", "boot cpu=0", "boot ipib=1 ipib=2", "pv cpu=257",
		"pv cpu", "pv r16=1", "pv r=1", "pv rx=1", "pv a0=0x100000000", "pv icpt=0x100",
		"pv ipa=0x10000", "pv ipb=0x100000000", "pv at=0x1000", "pv value=1",
		"pv at=0x1004 value=1", "plain dumps=1", "plain at=0x1000 value=1", "plain c0=1",
		"plain psw_addr=1", "pv fpc=0x100000000", "pv r1=",
	}, many[] = "pv r0=1 r1=1 r2=1 r3=1 r4=1 r5=1 r6=1 r7=1 r8=1 r9=1 r10=1 r11=1 r12=1";
	int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		result(!control("script", good[i]), "script: \"%s\"", good[i]);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		result(control("script", bad[i]) == -EINVAL, "script: not \"%s\"", bad[i]);
	result(control("script", many) == -ENOSPC, "script: too many registers");
	order("script", "clear");
	for (i = 0; i < 64 && !control("script", "pv"); i++)
		;
	result(i == 64 && control("script", "pv") == -ENOSPC, "script: too long");
	result(control("script", "boot") == -ENOSPC, "script: no space for boot");
	order("script", "clear");
}
