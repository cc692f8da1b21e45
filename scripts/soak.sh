#!/bin/sh
# Hours of churn against one server. Usage: soak.sh HOURS [seconds between samples, 10]
set -eu
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { echo "usage: soak.sh HOURS [SAMPLE_SECONDS]"; exit 2; }
exec node scripts/soak.mjs "${CALLEE_BIN:-build/release/callee}" "$@"
