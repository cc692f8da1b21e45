#!/bin/sh
# Tests against the real OpenAI and Twilio, with your keys and your money: each says what it cost.
#   OPENAI_API_KEY                          a call through callee to the Realtime API
#   TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN   the account; with TWILIO_FROM its number's wiring
#   TWILIO_TO and CALLEE_PUBLIC_URL as well  rings TWILIO_TO from TWILIO_FROM (a server must be up there)
#   LIVE_BUDGET_USD                         nothing new is begun once so much is spent (0.50)
# What has no key is skipped. CALLEE_PROVIDER_URL, CALLEE_PROVIDER_MODEL and TWILIO_API_URL are
# honoured, so a stand-in can be tested in their place.
set -eu
cd "$(dirname "$0")/.."

command -v node >/dev/null 2>&1 || { echo "live: needs Node" >&2; exit 1; }
exec node test/live/live.mjs
