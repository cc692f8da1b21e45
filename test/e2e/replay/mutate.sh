#!/bin/sh
# Writes a copy of a source file with one bug seeded. Fails when the bug has no place in it any more.
# Usage: mutate.sh BUG.sed FROM.c TO.c
set -eu
mkdir -p "$(dirname "$3")"
sed -f "$1" "$2" >"$3"
if cmp -s "$2" "$3"; then
    rm -f "$3"
    echo "$1 changes nothing in $2: the rule it breaks has moved" >&2
    exit 1
fi
