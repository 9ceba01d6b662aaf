// SPDX-License-Identifier: GPL-2.0-only
/*
 * uvsim: control through debugfs
 *
 * /sys/kernel/debug/uvsim: the files, and how a directive is read. What a file
 * shows and what a directive does is the business of the file's topic.
 */
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "uvsim.h"

static struct dentry *debugfs_dir;

#define MAX_DIRECTIVE	256

/* The directive without surrounding white space; to be freed by the caller */
static char *get_directive(const char __user *buf, size_t count)
{
	char *text;

	if (!count || count > MAX_DIRECTIVE)
		return ERR_PTR(-EINVAL);
	text = memdup_user_nul(buf, count);
	if (IS_ERR(text))
		return text;
	/* strim() cuts in place but may not return the start: keep that */
	memmove(text, skip_spaces(text), strlen(skip_spaces(text)) + 1);
	strim(text);
	return text;
}

/**
 * uvsim_next_pair() - split "key=value" off a directive
 * @text: the rest of it, NULL behind the last pair
 * @value: the number
 *
 * Context: any
 * Return: the key, NULL if that is no such pair.
 */
char *uvsim_next_pair(char **text, u64 *value)
{
	char *key = strsep(text, " \t\n"), *number;

	if (!key || !*key)
		return NULL;
	number = strchr(key, '=');
	if (!number)
		return NULL;
	*number++ = 0;
	return kstrtou64(number, 0, value) ? NULL : key;
}

/* A file of text lines, read by NAME_show(), written through NAME_set() */
#define TEXT_FILE(_name)							\
static int _name##_open(struct inode *inode, struct file *file)			\
{										\
	return single_open(file, uvsim_##_name##_show, NULL);			\
}										\
										\
static ssize_t _name##_write(struct file *file, const char __user *buf,		\
			     size_t count, loff_t *pos)				\
{										\
	char *text = get_directive(buf, count);					\
	int ret;								\
										\
	if (IS_ERR(text))							\
		return PTR_ERR(text);						\
	ret = uvsim_##_name##_set(text);					\
	kfree_sensitive(text);							\
	return ret ?: count;							\
}										\
										\
static const struct file_operations _name##_fops = {				\
	.owner = THIS_MODULE,							\
	.open = _name##_open,							\
	.read = seq_read,							\
	.write = _name##_write,							\
	.llseek = seq_lseek,							\
	.release = single_release,						\
}

TEXT_FILE(header_keys);
TEXT_FILE(faults);
TEXT_FILE(counters);
TEXT_FILE(objects);
TEXT_FILE(violations);
TEXT_FILE(qui);
TEXT_FILE(script);
TEXT_FILE(sie);

/**
 * uvsim_create_files() - /sys/kernel/debug/uvsim
 *
 * Context: may sleep
 */
void uvsim_create_files(void)
{
	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("header_keys", 0600, debugfs_dir, NULL, &header_keys_fops);
	debugfs_create_file("faults", 0600, debugfs_dir, NULL, &faults_fops);
	debugfs_create_file("counters", 0600, debugfs_dir, NULL, &counters_fops);
	debugfs_create_file("objects", 0600, debugfs_dir, NULL, &objects_fops);
	debugfs_create_file("violations", 0600, debugfs_dir, NULL, &violations_fops);
	debugfs_create_file("qui", 0600, debugfs_dir, NULL, &qui_fops);
	debugfs_create_file("script", 0600, debugfs_dir, NULL, &script_fops);
	debugfs_create_file("sie", 0600, debugfs_dir, NULL, &sie_fops);
	debugfs_create_file("registers", 0200, debugfs_dir, NULL, &uvsim_registers_fops);
}

/**
 * uvsim_remove_files() - the inverse of uvsim_create_files()
 *
 * Context: may sleep, waits for those who use a file
 */
void uvsim_remove_files(void)
{
	debugfs_remove_recursive(debugfs_dir);
}

/**
 * uvsim_control() - what a write to a file in debugfs does
 * @file: name of the file: header_keys, faults, objects, qui or script
 * @directive: what to write
 *
 * Context: process context
 * Return:
 * * 0 - it is done
 * * -ENODEV - the simulator is part of the kernel, but not in use
 * * -ENOENT - there is no such file
 * * else, the error of the write
 */
int uvsim_control(const char *file, const char *directive)
{
	static const struct { const char *name; int (*set)(char *text); } files[] = {
		{ "header_keys", uvsim_header_keys_set },
		{ "faults", uvsim_faults_set },
		{ "objects", uvsim_objects_set },
		{ "qui", uvsim_qui_set },
		{ "script", uvsim_script_set },
	};
	char text[MAX_DIRECTIVE];
	int ret = -ENOENT;
	unsigned int i;

	if (!debugfs_dir)
		return -ENODEV;
	if (strscpy(text, directive, sizeof(text)) < 0)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (!strcmp(file, files[i].name))
			ret = files[i].set(text);
	}
	memzero_explicit(text, sizeof(text));
	return ret;
}
EXPORT_SYMBOL_GPL(uvsim_control);
