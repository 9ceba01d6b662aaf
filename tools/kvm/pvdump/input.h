/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
/*
 * What seimg and dumpcmp read, and how their functions say what is wrong. Knows
 * nothing of what is in the files. Nothing here prints or exits.
 */
#ifndef INPUT_H
#define INPUT_H

#include <linux/types.h>
#include <stddef.h>

#define MIB			0x100000UL
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(x)		(sizeof(x) / sizeof((x)[0]))
#endif

/* The reason of a failure, without a full stop */
struct error {
	char text[1400];
};

/**
 * fail() - note why something failed
 * @e: gets the text
 * @fmt: printf() format
 *
 * Return: -1, for the caller to pass on
 */
int __attribute__((__format__(__printf__, 2, 3))) fail(struct error *e, const char *fmt, ...);

/**
 * struct input - a file that is read here and there
 * @name: for messages; NULL: was never opened
 * @fd: -1: not open
 * @size: bytes
 */
struct input {
	const char *name;
	int fd;
	__u64 size;
};

/**
 * input_open() - open a regular file or a block device
 * @in: filled in
 * @name: path; must stay
 * @e: reason of a failure
 *
 * Return: 0 or -1; input_close() is right in both cases
 */
int input_open(struct input *in, const char *name, struct error *e);

/**
 * input_read_at() - read all of a piece
 * @in: open input
 * @at: offset in bytes
 * @buf: caller's
 * @len: bytes; all of them must be there
 * @e: reason of a failure
 *
 * Return: 0 or -1
 */
int input_read_at(const struct input *in, __u64 at, void *buf, size_t len, struct error *e);

/**
 * input_data() - where does the file go on that is no hole?
 * @in: open input
 * @at: offset in bytes
 *
 * Return: @at or a later offset, at most the file's size; in between are zeros
 */
__u64 input_data(const struct input *in, __u64 at);

/**
 * input_close() - close
 * @in: input, open or not; all zero will do
 */
void input_close(struct input *in);

/**
 * input_read() - all of a file, which may be a pipe
 * @name: path; "-" is standard input
 * @max: more bytes than that are an error
 * @len: bytes read, at least 1
 * @e: reason of a failure
 *
 * Return: memory that ends with zeros up to a full page of 4096 bytes and at least
 * one, for input_free(); NULL: failure
 */
__u8 *input_read(const char *name, size_t max, size_t *len, struct error *e);

/**
 * input_free() - free, and leave no trace: it may have been a key
 * @buf: from input_read(), or NULL
 * @len: its bytes
 */
void input_free(__u8 *buf, size_t len);

#endif /* INPUT_H */
