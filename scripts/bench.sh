#!/bin/sh
# What a bridged call costs, beside a relay that only copies bytes.
#   bench.sh                     all parts, some minutes
#   bench.sh PART [flags]        one of bridge, turns, paced, start, answer, with flags of its program
#   bench.sh --flags             bridge
set -eu
cd "$(dirname "$0")/.."
build=${CALLEE_BUILD:-build/release}
run() {
    part=$1
    shift
    "$build/bench_$part" --callee "$build/callee" --demo-dir demo "$@"
}
case ${1:-} in
'')
    for part in bridge turns paced start answer; do
        echo "== $part"
        run "$part"
        echo
    done
    ;;
-*) run bridge "$@" ;;
*) run "$@" ;;
esac
