#!/bin/sh
# Starts the server with the demo business, places one call to it, and shows the conversation.
# --once: ends the server afterwards and exits with the call's result.
set -eu
cd "$(dirname "$0")/.."

callee=build/release/callee
listen=${CALLEE_LISTEN:-127.0.0.1:8080}
url=http://$listen
data=${CALLEE_DATA:-data}
number=+15055550100
# The simulated carrier signs its requests with this; a server for the public gets its own.
sign=
if [ -z "${TWILIO_AUTH_TOKEN:-}" ]; then
    export TWILIO_AUTH_TOKEN=demo-token-for-this-machine-only
    sign="TWILIO_AUTH_TOKEN=$TWILIO_AUTH_TOKEN "
fi

if curl -fs -m 2 "$url/api/health" >/dev/null 2>&1; then
    echo "Something already answers on $url. Stop it, or set CALLEE_LISTEN to another address." >&2
    exit 1
fi

mkdir -p build
: >build/server.started
$callee serve --listen "$listen" --public-url "$url" --data "$data" --demo --show-calls \
    2>build/server.log &
server=$!
stop() { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; }
trap 'stop; exit 130' INT TERM

tries=0
until curl -fs -m 2 "$url/api/health" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if ! kill -0 "$server" 2>/dev/null || [ $tries -gt 100 ]; then
        echo "The server did not start:" >&2
        tail -5 build/server.log >&2
        stop
        exit 1
    fi
    sleep 0.1
done

echo
echo "A simulated caller rings $number; what both sides say:"
status=0
$callee dial --url "$url" --to "$number" --data "$data" \
    --say "What are your opening hours on Saturday?" \
    --say "How much does shipping cost?" \
    --say "What is your return policy?" \
    --say "Do you repair boots?" --interrupt-after 1500 \
    --say "Thank you, that is all. Goodbye." \
    --save build/demo-heard.wav >build/dial.log 2>&1 || status=$?

echo
echo "The caller's side: $(tail -1 build/dial.log)"
# The call's own journal is copied together off the loop, so it may take a moment to appear.
tries=0
until call=$(find "$data/journals" -maxdepth 1 -name '*.jrn' -newer build/server.started | head -1) &&
    [ -n "$call" ] || [ $tries -gt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
[ -z "$call" ] || {
    $callee journal export "$call" --wav build/demo-call.wav --json build/demo-call.json >/dev/null
    echo "Both sides as a stereo recording: build/demo-call.wav, in words: build/demo-call.json"
}
echo
if [ "${1:-}" = --once ]; then
    stop
    exit $status
fi
cat <<TXT
The server is still up on $url (its log: build/server.log). Try next, in another terminal:
  another call:
    $sign$callee dial --url $url --to $number --say "Do you sell hats?"
  what was said and when:
    $callee calls --data $data
  a stereo WAV and the transcript of one:
    $callee journal export --data $data CALL
  the same decisions again:
    $callee replay --verify $data/journals/CALL.jrn
Set OPENAI_API_KEY for a real voice. To answer a real number, see docs/twilio.md. Ctrl-C stops it.
TXT
wait "$server"
