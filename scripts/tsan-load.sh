#!/bin/sh
# The thread sanitizer under load: the server with 20 callers at once, interrupting, while the provider
# is killed and comes back. No report may come. Usage: tsan-load.sh [CALLS] [ROUNDS] [LOOPS]
set -eu
cd "$(dirname "$0")/.."
calls=${1:-20} rounds=${2:-1} loops=${3:-1}
mkdir -p build
cmake --preset tsan >build/tsan.configure.log
cmake --build --preset tsan --target callee >build/tsan.build.log
dir=$(mktemp -d /tmp/callee_tsan.XXXXXX)
export TWILIO_AUTH_TOKEN=0123456789abcdef0123456789abcdef
export TSAN_OPTIONS="halt_on_error=0 exitcode=66 second_deadlock_stack=1"
server= provider= dial=
stop() {
    for pid in $server $provider $dial; do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' INT TERM

wait_for() { # FILE PATTERN: until the file has it
    tries=0
    until grep -q "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { echo "waited too long for $2:"; tail -5 "$1"; exit 1; }
        sleep 0.1
    done
}

start_provider() { # the same port every time
    build/tsan/callee provider --listen "127.0.0.1:$1" >"$dir/provider.log" 2>&1 &
    provider=$!
    wait_for "$dir/provider.log" 'listening on'
}

start_provider 0
port=$(sed -n 's/.*listening on ws:\/\/127.0.0.1:\([0-9]*\).*/\1/p' "$dir/provider.log" | head -1)
url=http://127.0.0.1:$((20000 + $$ % 10000))
build/tsan/callee serve --listen "${url#http://}" --public-url "$url" --data "$dir/data" --demo --loops "$loops" --engine realtime \
    --provider-url "ws://127.0.0.1:$port/v1/realtime" --connect-timeout 2s --response-timeout 4s \
    >"$dir/out.log" 2>>"$dir/log" &
server=$!
wait_for "$dir/out.log" 'listens on'
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    build/tsan/callee dial --url "$url" --calls "$calls" --spread 100 --to +15055550100 \
        --say "What are your opening hours?" --interrupt-after 500 --say "Wait, and shipping?" \
        --max-seconds 90 >"$dir/dial.log" 2>&1 &
    dial=$!
    wait_for "$dir/log" 'call.cut' # in mid-conversation
    : >"$dir/provider.log"
    kill -9 "$provider"
    wait "$provider" 2>/dev/null || true
    start_provider "$port"
    curl -fs -m 5 "$url/metrics" >/dev/null || true
    wait "$dial" || true
    dial=
    cat "$dir/log" >>"$dir/all"
    : >"$dir/log"
    tail -1 "$dir/dial.log"
done
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
reports=$(cat "$dir"/*.log "$dir/log" "$dir/all" | grep -c 'WARNING: ThreadSanitizer' || true)
echo "thread sanitizer: $reports reports, the server ended with $code"
[ "$reports" = 0 ] && [ "$code" = 0 ] || { grep -A25 'WARNING: ThreadSanitizer' "$dir"/*.log "$dir/log" "$dir/all" | head -80; tail -5 "$dir/log"; exit 1; }
