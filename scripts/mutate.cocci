// SPDX-License-Identifier: GPL-2.0-only
//
// Puts mutants into a copy of KVM, each of them a small change of a line that the
// series adds, made by one of the rules below. All of them are in the code at once, and
// MUTANT(n) says whether number n is the one that is alive: "if (x)" becomes
// "if ((!(x)) != !MUTANT(7))". Called by scripts/mutants-by-rule, in the directory with
// the files:
//
//	MUTATE_ADDED	file with "FILE LINE" of each line that may be changed
//	MUTATE_LIST	gets "NUMBER FILE:LINE FUNCTION RULE TEXT" of each mutant, with
//			tabs between them
//
// The rules find places, and what is at the end of this file writes: an edit puts
// something in front of a piece of code and something behind it, so that mutants can
// be in one another. What is not touched: assertions of locks, case labels, the format
// of messages, and the declarations of tracepoints but for their assignments.

@initialize:python@
@@
import os
import re

added = set()
for line in open(os.environ["MUTATE_ADDED"]):
    name, no = line.split()
    added.add((name, int(no)))

mutants = {}
texts = {}

def lines(name):
    if name not in texts:
        texts[name] = open(name).read().split("\n")
    return texts[name]

def raw(name, start, end):
    """The code between two (line, column), on one line"""
    all = lines(name)
    if start[0] == end[0]:
        s = all[start[0] - 1][start[1]:end[1]]
    else:
        s = " ".join([all[start[0] - 1][start[1]:]] + all[start[0]:end[0] - 1] +
                     [all[end[0] - 1][:end[1]]])
    return re.sub(r"\s+", " ", s)

def place(p):
    q = p[0]
    return q.file, (int(q.line), int(q.column)), (int(q.line_end), int(q.column_end))

def mutant(rule, p, *edits):
    """edits: (start, end, prefix, suffix) each, # stands for its number"""
    name, start, end = place(p)
    if (name, start[0]) not in added:
        return
    if re.match(r"\s*(case .*:|lockdep_assert)", lines(name)[start[0] - 1]):
        return
    text = raw(name, start, end)
    # a call that is not asked is not made either, and parts of a chain come by themselves
    if rule in ("never", "not asked") and re.match(r"\w+\([^()]*(\([^()]*\)[^()]*)*\)$", text):
        return
    if rule == "not asked" and re.search(r"&&|\|\|", text):
        return
    key = (name, start, end, rule)
    if key not in mutants:
        function = p[0].current_element
        mutants[key] = ("macro" if function == "something_else" else function, text, edits)

def around(rule, p, prefix, suffix):
    name, start, end = place(p)
    mutant(rule, p, (start, end, prefix, suffix))

def semicolon(name, end):
    """The place behind the semicolon at or behind @end"""
    line = lines(name)[end[0] - 1]
    return end[0], line.index(";", end[1]) + 1

def simple(text):
    """Cheap, and without effects if evaluated once more"""
    return not re.search(r"\(|\+\+|--|\"", text)

def alike(a, b):
    """Of two arguments, that the compiler takes one for the other"""
    def kind(s):
        if s[0] == "&":
            return "&"
        if re.search(r"(^|[.>])r?rc$", s):
            return "rc" if re.search("[.>]", s) else "rc-pointer"
        return "length" if re.search(r"len|gaddr", s) else "number" if re.search(r"ret$|vcpu_id|pid$", s) else s
    if kind(a) == "&" or kind(b) == "&":
        return a[0] == b[0] and a.split(">")[-1] in ("rc", "rrc") and b.split(">")[-1] in ("rc", "rrc")
    return kind(a) == kind(b) or {kind(a), kind(b)} <= {"number", "rc"}

// ---- conditions ---------------------------------------------------------------

@cond@
expression E;
statement S1, S2;
position p;
@@
if (E@p) S1 else S2

@script:python@
p << cond.p;
@@
around("negated", p, "(!(", ") != !MUTANT(#))")
around("never", p, "(!MUTANT(#) && (", "))")

@again@
expression E;
statement S;
position p;
@@
while (E@p) S

@script:python@
p << again.p;
@@
around("never", p, "(!MUTANT(#) && (", "))")

@choice@
expression E, A, B;
position p;
@@
E@p ? A : B

@script:python@
p << choice.p;
@@
around("negated", p, "(!(", ") != !MUTANT(#))")

@either@
expression A, B;
position p, q;
@@
A@p || B@q

@script:python@
p << either.p;
q << either.q;
@@
for r in p, q:
    around("not asked", r, "(!MUTANT(#) && (", "))")

@both@
expression A, B;
position p, q;
@@
A@p && B@q

@script:python@
p << both.p;
q << both.q;
@@
for r in p, q:
    around("not asked", r, "(MUTANT(#) || (", "))")

@compared@
expression A, B;
binary operator bop = {<, <=, >, >=, ==, !=};
position p;
@@
A bop B@p

@script:python@
p << compared.p;
@@
around("one more", p, "((", ") + MUTANT(#))")

// ---- numbers -------------------------------------------------------------------

@sum@
expression A, B;
binary operator bop = {+, -, *, /, %};
position p;
@@
A bop B@p

@script:python@
p << sum.p;
@@
around("one more", p, "((", ") + MUTANT(#))")

@number@
constant C;
position p;
@@
C@p

@script:python@
p << number.p;
C << number.C;
@@
name, start, end = place(p)
# -C is matched as C is, and names of macros are constants, too
if not re.match(r"-|sizeof|\"|'|NULL$|GFP_|true$|false$", C) and lines(name)[end[0] - 1][end[1]:end[1] + 1] != "(":
    around("one more", p, "(", " + MUTANT(#))")

@sizes@
expression E, X;
position p;
@@
\( E@p \& sizeof(X) \)

@script:python@
p << sizes.p;
@@
# the compiler sees what is larger than the variable
around("one less", p, "(", " - MUTANT(#))")

@result@
expression E;
position p;
@@
return E@p;

@script:python@
p << result.p;
E << result.E;
@@
if E == "true":
    around("false", p, "(!MUTANT(#) && ", ")")
elif E == "false":
    around("true", p, "(MUTANT(#) || ", ")")
elif E == "0":
    around("an error", p, "(MUTANT(#) ? -EINVAL : ", ")")
elif re.match(r"- E[A-Z]+$", E):
    around("success", p, "(MUTANT(#) ? 0 : ", ")")

// ---- statements and calls ------------------------------------------------------

@stmt@
expression E;
position p;
@@
E@p;

@script:python@
p << stmt.p;
@@
name, start, end = place(p)
mutant("dropped", p, (start, semicolon(name, end), "{ if (!MUTANT(#)) ", " }"))

@call@
identifier f;
expression list es;
expression E;
position p;
@@
\( E@p \& f(es) \)

@script:python@
p << call.p;
@@
name, start, end = place(p)
line = lines(name)[start[0] - 1]
# a statement of its own is dropped by the rule above
if line[:start[1]].strip() or not re.match(r"\s*;", lines(name)[end[0] - 1][end[1]:]):
    around("not called", p, "(MUTANT(#) ? 0 : ", ")")

@swap@
identifier f;
expression A, B;
position p, q;
@@
f(..., A@p, B@q, ...)

@script:python@
p << swap.p;
q << swap.q;
@@
name, start, end = place(p)
first, second = raw(*place(p)), raw(*place(q))
if simple(first) and simple(second) and alike(first, second):
    mutant("swapped with the next", p,
           (start, end, "(MUTANT(#) ? " + second + " : ", ")"),
           place(q)[1:] + ("(MUTANT(#) ? " + first + " : ", ")"))

@two@
expression L1, R1, L2, R2;
position p, q;
@@
L1 = R1@p;
L2 = R2@q;

@script:python@
p << two.p;
q << two.q;
@@
name, start, end = place(p)
first, second = raw(*place(p)), raw(*place(q))
if place(q)[1][0] - end[0] in (1, 2) and simple(first) and simple(second) and "." in first + second:
    mutant("swapped with the next", p,
           (start, end, "(MUTANT(#) ? " + second + " : ", ")"),
           place(q)[1:] + ("(MUTANT(#) ? " + first + " : ", ")"))

// ---- locks ----------------------------------------------------------------------

@early@
identifier unlock = {mutex_unlock, up_read, up_write};
expression E, U, L;
position p, q;
@@
E@p;
\( U@q \& unlock(L) \);

@script:python@
p << early.p;
q << early.q;
unlock << early.unlock;
L << early.L;
@@
name, start, end = place(p)
text = unlock + "(" + re.sub(r" ?(->|\.|&) ?", r"\1", L) + ");"
mutant("behind the unlock", p, (start, semicolon(name, end), "{ if (MUTANT(#)) " + text + " ", " }"),
       (place(q)[1], semicolon(name, place(q)[2]), "{ if (!MUTANT(#)) ", " }"))

@late@
identifier lock = {mutex_lock, down_read, down_write};
expression E, U, L;
position p, q;
@@
\( U@q \& lock(L) \);
E@p;

@script:python@
p << late.p;
q << late.q;
@@
name, start, end = place(p)
text = raw(name, start, semicolon(name, end))
mutant("in front of the lock", p, (place(q)[1], semicolon(name, place(q)[2]), "{ if (MUTANT(#)) " + text + " ", " }"),
       (start, semicolon(name, end), "{ if (!MUTANT(#)) ", " }"))

// ---- writing ---------------------------------------------------------------------

@finalize:python@
@@
# what SmPL cannot match: the end of do-while, and tracepoints, which are macros
for name in sorted({name for name, _ in added}):
    function = ""
    for no, line in enumerate(lines(name), 1):
        m = re.match(r"(?:TRACE_EVENT|DECLARE_EVENT_CLASS)\((\w+)", line) or \
            re.match(r"[a-z].*?(\w+)\(.*[^;]$", line)
        function = m.group(1) if m else function
        for rule, pattern, prefix, suffix in (
                ("dropped", r"(__entry->\w+ = \w+;)", "if (!MUTANT(#)) ", ""),
                ("never", r"\} while \((.*)\);$", "(!MUTANT(#) && (", "))")):
            for m in re.finditer(pattern, line):
                if (name, no) in added:
                    start, end = (no, m.start(1)), (no, m.end(1))
                    mutants[(name, start, end, rule)] = (function, m.group(1), (
                        (start, end, prefix, suffix),))

events = {}
out = open(os.environ["MUTATE_LIST"], "w")
for n, key in enumerate(sorted(mutants), 1):
    name, start, end, rule = key
    function, text, edits = mutants[key]
    out.write("%d\t%s:%d\t%s\t%s\t%s\n" % (n, name, start[0], function, rule, text))
    for i, (a, b, prefix, suffix) in enumerate(edits):
        at = events.setdefault(name, [])
        # in front of code the widest comes first, behind it last
        at.append((a, 1, (-b[0], -b[1]), n, prefix.replace("#", str(n))))
        at.append((b, 0, (-a[0], -a[1]), -n, suffix.replace("#", str(n))))
out.close()
for name, at in events.items():
    all = lines(name)
    for place_, _, _, _, text in sorted(at, reverse=True):
        no, column = place_
        line = all[no - 1]
        all[no - 1] = line[:column] + text + line[column:]
    open(name, "w").write("\n".join(all))
