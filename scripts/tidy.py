#!/usr/bin/env python3
"""tidy.py - the style rules a compiler cannot check. Run by ctest; exit 1 on any finding.

LAYERS reads bottom up. A module includes itself and any layer below its own; modules on one line
do not know each other. Loosening this table is a design change and is reviewed as one.
"""
import pathlib, re, sys

LAYERS = [["base"], ["audio", "proto"], ["call"], ["net"], ["store", "journal"], ["llm", "speech"], ["knowledge"],
          ["channel", "engine", "tools"], ["session"], ["training"], ["api"], ["app"]]
# Of the pluggable modules others see only these headers; app/ alone names a concrete driver.
PUBLIC = {"channel": {"channel.h"}, "engine": {"engine.h"}, "tools": {"tools.h"}, "knowledge": {"knowledge.h"},
          "store": {"store.h", "model.h"}}
BANNED = {"assert", "strcpy", "strcat", "sprintf", "vsprintf", "strncpy", "strncat", "gets", "strtok", "atoi",
          "atol", "atof", "alloca", "sscanf", "localtime", "gmtime", "rand", "system", "usleep", "sleep"}
RAW_ALLOC = {"malloc", "calloc", "realloc", "free", "strdup", "strndup"}   # only base/mem.c
# The pure modules take time and entropy as arguments and never touch the system.
PURE = {"audio", "proto", "call"}
IMPURE = {"time", "clock_gettime", "gettimeofday", "getrandom", "random", "read", "write", "open", "send", "recv", "getenv", "fopen",
          "printf", "pthread_create"}
FILE_MAX, FUNC_MAX, LINE_MAX = 600, 70, 100

rank = {m: i for i, row in enumerate(LAYERS) for m in row}
found = []

def say(path, line, text):
    found.append(f"{path}:{line}: {text}")

def strip(text):
    """Blanks comments and string literals, keeping line numbers."""
    pat = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pat, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)

def check(path, root):
    rel = path.relative_to(root)
    mod, text = rel.parts[0], path.read_text()
    lines, code = text.split("\n"), strip(text).split("\n")
    if mod not in rank:
        say(rel, 1, f"unknown module '{mod}'")
        return
    if len(lines) > FILE_MAX:
        say(rel, len(lines), f"{len(lines)} lines; at most {FILE_MAX}")
    if not text.startswith("/*") and path.suffix == ".h":
        say(rel, 1, "header must open with its purpose")
    start = None
    for n, (line, c) in enumerate(zip(lines, code), 1):
        if len(line) > LINE_MAX:
            say(rel, n, f"{len(line)} columns; at most {LINE_MAX}")
        m = re.match(r'\s*#\s*include "([a-z_]+)/([a-z0-9_/]+\.h)"', line)
        if m and m[1] in rank and m[1] != mod:
            if rank[m[1]] >= rank[mod]:
                say(rel, n, f"layer: {mod}/ may not include {m[1]}/")
            elif mod != "app" and m[1] in PUBLIC and m[2] not in PUBLIC[m[1]]:
                say(rel, n, f"layer: {m[1]}/{m[2]} is private to {m[1]}/")
        for name in re.findall(r"(?<![\w.>])(\w+)\s*\(", c):
            if name in BANNED or (name in RAW_ALLOC and str(rel) != "base/mem.c"):
                say(rel, n, f"banned: {name}()")
            if mod in PURE and name in IMPURE:
                say(rel, n, f"{mod}/ is pure: no {name}()")
        if path.suffix == ".c":
            if c.startswith("{"):
                start = n
            elif c.startswith("}") and start:
                if n - start > FUNC_MAX:
                    say(rel, start, f"function of {n - start} lines; at most {FUNC_MAX}")
                start = None

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "src")
for p in sorted(root.glob("*/**/*.[ch]")):  # main.c beside the layers only calls app/
    check(p, root)
print("\n".join(found) or "tidy: ok")
sys.exit(bool(found))
