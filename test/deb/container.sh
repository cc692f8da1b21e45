#!/bin/sh
# deploy/Containerfile without a container engine: its RUN steps and its entry are carried out in a
# Debian 12 of their own, its COPY, USER and health check as they say. Needs root and mmdebstrap.
set -eu
cd "$(dirname "$0")/../.."

work=${CALLEE_DEB_TEST:-/tmp/callee-deb-test}
file=deploy/Containerfile
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; umount -l "$work"/stage?/proc 2>/dev/null || true
    rm -rf "$work/stage1" "$work/stage2"' EXIT
trap 'exit 130' INT TERM

# The n-th stage's RUN steps as a script.
steps() {
    awk -v n="$1" '/^FROM/ {s++} s == n && /^RUN/ {run=1; sub(/^RUN /, "")} run {
        line=$0; more=sub(/\\$/, "", line); printf "%s%s", line, more ? " " : "\n"; if (!more) run=0}' $file
}
stage() {
    mkdir -p "$work"
    [ -e "$work/slim.tar" ] || mmdebstrap --quiet --variant=minbase bookworm "$work/slim.tar" \
        /etc/apt/sources.list.d/debian.sources
    mkdir -p "$work/stage$1"
    tar -C "$work/stage$1" -xf "$work/slim.tar" --exclude='./dev/*'
    for name in null zero random urandom; do
        cp -a /dev/$name "$work/stage$1/dev/"
    done
    mkdir -p "$work/stage$1/proc"
    mount -t proc proc "$work/stage$1/proc"
    cp /etc/resolv.conf /etc/hosts "$work/stage$1/etc/"
    for conf in /etc/apt/apt.conf.d/*proxy* /etc/apt/apt.conf.d/*registry*; do
        [ ! -e "$conf" ] || cp "$conf" "$work/stage$1/etc/apt/apt.conf.d/"
    done
}

stage 1
mkdir -p "$work/stage1/src"
git ls-files -z | xargs -0 cp --parents -t "$work/stage1/src"
steps 1 >"$work/stage1/steps.sh"
chroot "$work/stage1" sh -ec 'cd /src; . /steps.sh' >"$work/build.log" 2>&1 ||
    { tail -20 "$work/build.log"; exit 1; }
stage 2
cp "$work"/stage1/src/build/callee_*.deb "$work/stage2/tmp/callee.deb"
steps 2 >"$work/stage2/steps.sh"
chroot "$work/stage2" sh -ec '. /steps.sh' >"$work/image.log" 2>&1 ||
    { tail -20 "$work/image.log"; exit 1; }
user=$(sed -n 's/^USER //p' $file)
port=${CALLEE_TEST_PORT:-27080}
args=$(sed -n 's/^CMD \[\(.*\)\]/\1/p' $file | tr -d '",' | sed "s/0\.0\.0\.0:8080/127.0.0.1:$port/")
# shellcheck disable=SC2086
chroot --userspec="$user" "$work/stage2" sh -c 'cd /data && exec "$@"' - /usr/bin/callee $args --demo \
    --insecure-streams >"$work/run.log" 2>&1 &
pid=$!
health=$(sed -n 's/^    CMD \(curl .*\)/\1/p' $file | sed "s/8080/$port/")
tries=0
until chroot --userspec="$user" "$work/stage2" sh -c "$health"; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { cat "$work/run.log"; exit 1; }
    sleep 0.1
done
build/release/callee dial --url "http://127.0.0.1:$port" --to +15055550100 \
    --say "What are your opening hours on Saturday?" | tail -1
ls -ln "$work/stage2/data" | tail -3
kill "$pid"
wait "$pid"
pid=
echo "image: $(du -shx --exclude=proc "$work/stage2" | cut -f1), all passed"
