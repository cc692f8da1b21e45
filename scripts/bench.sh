#!/bin/sh
# What a bridged frame costs, beside a relay that only copies bytes. Arguments go to bench_bridge.
set -eu
cd "$(dirname "$0")/.."
build=${CALLEE_BUILD:-build/release}
exec "$build/bench_bridge" --callee "$build/callee" --demo-dir demo "$@"
