#!/bin/sh
# Every unit test again, once for each step that may fail, with that step failing.
# Usage: faults.sh [EACH] [NAME...]   EACH: of one step the first EACH times, then ever rarer ones (1).
set -eu
cd "$(dirname "$0")/.."
each=${1:-1}
[ $# -gt 0 ] && shift
mkdir -p build
cmake --preset dev >build/dev.configure.log
cmake --build --preset dev >build/dev.build.log
status=0
for program in build/dev/test_*; do
    name=$(basename "$program")
    case $name in *.*) continue ;; esac # files beside the programs
    # What takes seconds undisturbed and hardly a step: sound, and the models of speech.
    case $name in test_speech | test_stt | test_local | test_resample | test_vad) continue ;; esac
    case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
    printf '%-24s ' "$name"
    "$program" --faults "$each" >"build/$name.faults.log" 2>&1 || status=1
    tail -1 "build/$name.faults.log"
    grep '^--' "build/$name.faults.log" || true
done
exit $status
