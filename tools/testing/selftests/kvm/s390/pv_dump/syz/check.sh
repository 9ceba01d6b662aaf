#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# usage: CC=COMPILER check.sh HEADERS [DIR]
# Is the description in DIR (default: sys/linux here) right? Stands in for syz-extract and
# syz-sysgen where these are not to be had: it compiles each constant, and size and offset
# of each field, against the exported headers of a kernel (HEADERS), and all constants of
# protected VMs that these have must be described. Knows as much of the language as is
# used here, and refuses the rest. That syzkaller takes it is not shown by this.
set -euo pipefail
export LC_ALL=C
headers=$1 dir=${2:-$(dirname "$0")/sys/linux}
text=$dir/dev_kvm_s390_pv.txt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

awk '
	function bad(why) {
		print FILENAME ":" FNR ": " why >"/dev/stderr"
		failed = 1
		exit 1
	}
	# the arguments in brackets of a type, to arg[depth, 1..]; their number
	function arguments(type, depth,    n, i, c, level, s) {
		s = type
		if (!sub(/^[a-z0-9_]+\[/, "", s)) return 0
		sub(/\]$/, "", s)
		n = 1
		arg[depth, 1] = ""
		for (i = 1; i <= length(s); i++) {
			c = substr(s, i, 1)
			if (c == "[") level++
			if (c == "]") level--
			if (c == "," && !level) {
				n++
				arg[depth, n] = ""
			} else if (c != " " || arg[depth, n] != "")
				arg[depth, n] = arg[depth, n] c
		}
		if (level) bad("brackets of " type)
		return n
	}
	function round_up(n, to) {
		return int((n + to - 1) / to) * to
	}
	function constant(name) {
		if (name !~ /^(0x[0-9a-f]+|[0-9]+)$/) used[name] = 1
	}
	# @type as a field: its size; 0 if it varies, which is for pointers only. Its
	# alignment is in align[depth]
	function size(type, depth,    n, name, base, count, i) {
		if (depth > 20) bad("a structure in itself: " type)
		name = type
		sub(/\[.*/, "", name)
		n = arguments(type, depth)
		if (name ~ /^(int|bool)(8|16|32|64)$/) {
			sub(/^[a-z]*/, "", name)
			return align[depth] = name / 8
		}
		if (name ~ /^(const|flags|bytesize)$/ && n == 2) {
			if (name == "const") constant(arg[depth, 1])
			if (name == "flags" && !(arg[depth, 1] in flags))
				bad("no " arg[depth, 1])
			base = size(arg[depth, 2], depth + 1)
			if (!base) bad("what is a " type)
			return align[depth] = base
		}
		if (name == "ptr64" && n == 2) {
			if (arg[depth, 1] !~ /^(in|out|inout)$/) bad("direction of " type)
			size(arg[depth, 2], depth + 1)
			return align[depth] = 8
		}
		if (name == "array" && n == 2) {
			count = arg[depth, 2]
			base = size(arg[depth, 1], depth + 1)
			align[depth] = align[depth + 1]
			return count ~ /^[0-9]+$/ ? base * count : 0
		}
		if (!(name in fields) || n != parameters[name]) bad("no type " type)
		# of a template: with what it is used with
		for (i = 1; i <= n; i++) value[depth, i] = arg[depth, i]
		return layout(name, depth)
	}
	function layout(name, depth,    i, k, off, n, most, largest, type) {
		off = 0; most = 1; largest = 0
		for (i = 1; i <= fields[name]; i++) {
			type = field_type[name, i]
			for (k = 1; k <= parameters[name]; k++)
				gsub("(^|[[, ])" parameter[name, k] "($|[], ])", "&\001", type)
			for (k = 1; k <= parameters[name]; k++)
				while (match(type, parameter[name, k] "[], ]?\001"))
					type = substr(type, 1, RSTART - 1) value[depth, k] \
						substr(type, RSTART + length(parameter[name, k]), \
							RLENGTH - length(parameter[name, k]) - 1) \
						substr(type, RSTART + RLENGTH)
			n = size(type, depth + 1)
			if (!n) bad(name "." field[name, i] " varies in size")
			if (align[depth + 1] > most) most = align[depth + 1]
			if (n > largest) largest = n
			if (!is_union[name])
				off = round_up(off, align[depth + 1])
			sub(/\[.*/, "", type)
			at(name, field[name, i], off, n, type)
			if (!is_union[name]) off += n
		}
		if (is_union[name]) off = largest
		align[depth] = most
		off = round_up(off, most)
		if (!is_union[name])
			says["sizeof(struct " in_c[name] ") == " off] = 1
		seen[name] = 1
		return off
	}
	# in C, @f of structure @s is at @off
	function offset(s, f, off) {
		return "offsetof(struct " s ", " f ") == " off
	}
	function at(name, f, off, n, type,    k, s) {
		s = in_c[name]
		if (is_union[name]) return
		if (!is_union[type]) {
			says[offset(s, f, off) " && sizeof(((struct " s " *)0)->" f ") == " n] = 1
			return
		}
		# has no name there
		for (k = 1; k <= fields[type]; k++)
			says[offset(in_c[type], field[type, k], off)] = 1
	}

	FILENAME ~ /\.const$/ {
		if (/^#/) next
		if (/^arches = s390x$/) { arches = 1; next }
		if (!/^[A-Z0-9_]+ = [0-9]+$/) bad("what is this: " $0)
		if ($1 in known) bad($1 " again")
		known[$1] = $3
		next
	}
	/^# (union in )?struct / { as = $NF; next }
	/^#/ { next }
	/^$/ { next }
	/^meta arches\["s390x"\]$/ || /^include <linux\/kvm.h>$/ { n_head++; next }
	/^ioctl\$/ { call[++calls] = $0; line_of[calls] = FNR; next }
	/^[a-z_0-9]+ = / {
		n = split(substr($0, index($0, "=") + 1), part, ",")
		flags[$1] = n
		for (i = 1; i <= n; i++) {
			gsub(/ /, "", part[i])
			constant(part[i])
		}
		next
	}
	/^type [a-z_0-9]+\[[A-Z, ]+\] \{$/ || /^[a-z_0-9]+ [[{]$/ {
		name = $1 == "type" ? $2 : $1
		sub(/^type /, "")
		parameters[name = substr($0, 1, match($0, /[^a-z_0-9]/) - 1)] = 0
		if (match($0, /\[[A-Z, ]+\]/)) {
			parameters[name] = split(substr($0, RSTART + 1, RLENGTH - 2), part, /, */)
			for (i = 1; i <= parameters[name]; i++) parameter[name, i] = part[i]
		}
		if (name in fields) bad(name " again")
		fields[name] = 0
		is_union[name] = /\[$/
		in_c[name] = as == "" ? name : as
		as = ""
		inside = 1
		next
	}
	inside && /^[]}]$/ { inside = 0; next }
	inside && /^\t[a-z_0-9]+\t+[^\t]+$/ {
		field[name, ++fields[name]] = $1
		sub(/^\t[a-z_0-9]+\t+/, "")
		field_type[name, fields[name]] = $0
		next
	}
	{ bad("what is this: " $0) }

	END {
		if (failed) exit 1
		if (!arches || n_head != 2) bad("no s390x, or no header")
		for (i = 1; i <= calls; i++) {
			s = call[i]
			if (s !~ /^ioctl\$KVM_PV_[A-Z_]+\(fd fd_kvm(vm|cpu), cmd const\[/ ||
			    s !~ /const\[[A-Z0-9_]+\], arg ptr\[inout, .*\]\)$/)
				bad("what is this: " s)
			cmd = s
			sub(/.*cmd const\[/, "", cmd)
			sub(/\].*/, "", cmd)
			constant(cmd)
			sub(/.*arg ptr\[inout, /, "", s)
			sub(/\]\)$/, "", s)
			says["_IOC_SIZE(" cmd ") == " size(s, 1)] = 1
		}
		for (name in fields)
			if (!(name in seen)) bad(name " is not used")
		for (name in used)
			if (!(name in known)) bad(name " has no value")
		print "#include <linux/ioctl.h>\n#include <linux/kvm.h>\n#include <stddef.h>"
		for (name in known) {
			if (!(name in used)) bad(name " is not used")
			says[name " == " known[name]] = 1
		}
		for (s in says) {
			print "_Static_assert(" s ", \"" s "\");"
			n_says++
		}
		printf "%d constants, sizes and offsets of %d calls\n", n_says, calls >"/dev/stderr"
	}' "$text.const" "$text" >"$tmp/check.c"

"${CC:-cc}" -isystem "$headers" -Wall -Werror -c -o "$tmp/check.o" "$tmp/check.c"

# and nothing is missing
echo '#include <linux/kvm.h>' | "${CC:-cc}" -isystem "$headers" -E -dD - |
	grep -oE '\<KVM_(S390_)?PV_[A-Z_]+\>' | sort -u >"$tmp/have"
sed -n 's/^\(KVM_[A-Z0-9_]*\) = .*/\1/p' "$text.const" | sort | diff "$tmp/have" - ||
	{ echo "$text.const and the headers have different constants" >&2; exit 1; }
