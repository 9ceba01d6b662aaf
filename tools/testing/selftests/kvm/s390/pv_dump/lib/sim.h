/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Ultravisor simulator's control files (debugfs uvsim/), see
 * Documentation/dev-tools/uvsim.rst. Nothing here may be called without it.
 */
#ifndef PV_DUMP_SIM_H
#define PV_DUMP_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UV calls, as the simulator counts and fails them */
#define UVC_CREATE_CPU	0x0120
#define UVC_DESTROY_CPU	0x0121
#define UVC_INIT	0x0400
#define UVC_STOR_STATE	0x0401
#define UVC_CPU		0x0402
#define UVC_COMPLETE	0x0403

int sim_write(const char *file, const char *fmt, ...);
int sim_write_raw(const char *file, const void *buf, size_t len);
int sim_read(const char *file, char *buf, size_t len);
/*
 * The first number of the line that starts with @key. This and what is built on it
 * ends the test if there is none.
 */
long sim_number(const char *file, const char *key);
/* How many UV calls there were */
long sim_calls(unsigned int uvc);
/* Those of the four dump calls together */
long sim_dump_calls(void);
/* How often SIE was entered */
long sim_sie(void);
/* Does a vcpu that somebody else runs enter SIE again from now on? */
bool sim_sie_goes_on(void);
/* How often the first fault rule applied, also to a call that is not over yet */
long sim_hits(void);
long sim_violations(void);
long sim_objects(void);
/* Objects go away when the last reference to the VM is dropped, a moment after close(). */
bool sim_no_objects(void);
/* What a vcpu does in SIE from now on: the parameter of the module */
int sim_sie_mode(const char *mode);
int sim_qui(const char *key, uint64_t *val);
/* Every test starts from the same simulator, whatever the one before it left. */
int sim_reset(void);

#endif
