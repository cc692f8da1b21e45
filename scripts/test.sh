#!/bin/sh
# Everything that must hold before a change lands. Stops at the first stage that fails.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build

stage() { printf '\n== %s (%s s)\n' "$1" "$(($(date +%s) - began))"; }
began=$(date +%s)

quiet() { # runs a command, shows its output only when it fails
    log=build/$1.log
    shift
    "$@" >"$log" 2>&1 || { tail -60 "$log"; echo "failed: $*"; exit 1; }
}

stage 'packages'
sh scripts/setup.sh test
quiet npm npm ci --prefix test/e2e --no-audit --no-fund

stage 'style'
python3 scripts/tidy.py src
if clang-format --version | grep -q 'version 14\.'; then
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
fi

stage 'gcc, address and undefined-behaviour sanitizers'
quiet dev.configure cmake --preset dev
quiet dev.build cmake --build --preset dev
quiet dev.headers cmake --build --preset dev --target all_verify_interface_header_sets

stage 'release'
quiet release.configure cmake --preset release
quiet release.build cmake --build --preset release

stage 'unit, golden, simulated and end-to-end tests'
CALLEE_BIN=$PWD/build/release/callee ctest --preset dev --timeout 300

stage 'clang builds cleanly'
quiet clang.configure cmake --preset clang
quiet clang.build cmake --build --preset clang

stage 'thread sanitizer'
quiet tsan.configure cmake --preset tsan
quiet tsan.build cmake --build --preset tsan
ctest --preset tsan --timeout 300 -R 'loop|worker|store|journal|tts|stt|local|sim|conn'

stage 'fuzz regressions'
quiet fuzz.configure cmake --preset fuzz
quiet fuzz.build cmake --build --preset fuzz
ctest --preset fuzz --timeout 300 -R '^fuzz_'

stage 'all passed'
