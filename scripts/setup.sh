#!/bin/sh
# Installs the Debian packages that are missing. Usage: setup.sh build|test|deb|deb-test
set -eu

what=${1:-build}

# alternatives in one word, first one known wins: Debian 13 replaced http-parser by llhttp.
build="gcc cmake ninja-build pkg-config libc6-dev libuv1-dev libllhttp-dev|libhttp-parser-dev
    libjansson-dev libsqlite3-dev libssl-dev libcurl4-openssl-dev libspeexdsp-dev flite1-dev
    libpocketsphinx-dev libsphinxbase-dev pocketsphinx-en-us libxml2-dev libzip-dev
    libmd4c-dev poppler-utils ca-certificates tzdata curl"
test="clang clang-format libclang-rt-14-dev|libclang-rt-dev python3 git nodejs npm
    asterisk-core-sounds-en-wav"
deb="dpkg-dev"
deb_test="mmdebstrap iproute2"

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The machine may have the tool from elsewhere.
have() {
    case $1 in
    gcc | cmake | clang | git | curl | python3) command -v "$1" >/dev/null 2>&1 || installed "$1" ;;
    nodejs) command -v node >/dev/null 2>&1 ;;
    npm) command -v npm >/dev/null 2>&1 ;;
    clang-format) command -v clang-format >/dev/null 2>&1 ;;
    ninja-build) command -v ninja >/dev/null 2>&1 ;;
    pkg-config) command -v pkg-config >/dev/null 2>&1 ;;
    *) installed "$1" ;;
    esac
}

missing=
for entry in $build $([ "$what" = test ] && echo "$test") $([ "$what" = deb ] && echo "$deb") \
    $([ "$what" = deb-test ] && echo "$deb_test"); do
    found=
    for name in $(echo "$entry" | tr '|' ' '); do
        if have "$name"; then found=$name; fi
    done
    [ -n "$found" ] || missing="$missing $entry"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "callee: please install these packages:$missing" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "callee: please install these packages as root:$missing" >&2
        exit 1
    }
    sudo=sudo
fi
$sudo apt-get update -qq
names=
for entry in $missing; do
    pick=
    for name in $(echo "$entry" | tr '|' ' '); do
        if [ -z "$pick" ] && [ -n "$(apt-cache policy "$name" | grep -v '(none)' | grep Candidate)" ]; then
            pick=$name
        fi
    done
    names="$names ${pick:-${entry%%|*}}"
done
echo "callee: installing$names"
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $names \
    >build/apt.log 2>&1 || { tail -20 build/apt.log >&2; exit 1; }
