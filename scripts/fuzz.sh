#!/bin/sh
# Fuzzes every parser for some minutes each. Usage: fuzz.sh [MINUTES] [NAME...]
set -eu
cd "$(dirname "$0")/.."
minutes=${1:-1}
[ $# -gt 0 ] && shift
mkdir -p build
cmake --preset fuzz >build/fuzz.configure.log
cmake --build --preset fuzz >build/fuzz.build.log
for source in fuzz/fuzz_*.c; do
    name=$(basename "$source" .c | sed 's/^fuzz_//')
    case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
    mkdir -p "build/fuzz/found/$name"
    echo "fuzzing $name for $minutes min"
    words=
    [ ! -f "fuzz/dict/$name.dict" ] || words=-dict=fuzz/dict/$name.dict
    "build/fuzz/fuzz_$name" $words -max_total_time=$((minutes * 60)) -print_final_stats=1 \
        -artifact_prefix="build/fuzz/found/$name-" "build/fuzz/found/$name" "fuzz/corpus/$name" \
        >"build/fuzz/$name.log" 2>&1 || { tail -30 "build/fuzz/$name.log"; exit 1; }
    grep -E 'stat::number_of_executed_units|cov:' "build/fuzz/$name.log" | tail -2
done
