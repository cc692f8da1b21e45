#!/bin/sh
# The Debian package from installation to purge on a Debian 12 of its own with a real systemd:
# installed with apt, started by its unit, a call answered, upgraded, reloaded and stopped with calls in
# progress that must not notice, killed, hung, removed, purged. Needs root, build/release and what
# `scripts/setup.sh deb` installs. Four minutes; the base system is kept in $CALLEE_DEB_TEST for the next time.
set -eu
cd "$(dirname "$0")/../.."

work=${CALLEE_DEB_TEST:-/tmp/callee-deb-test}
root=$work/root
base=$work/base.tar
number=+15055550100
token=0123456789abcdef0123456789abcdef
pid=

say() { printf '%s %s\n' "$(date +%T)" "$*"; }
fail() {
    say "FAILED: $*"
    [ -z "$pid" ] || inside journalctl --no-pager -n 40 -u callee || true
    exit 1
}
inside() { nsenter -t "$pid" -m -p -u -i -n -C "$@"; }
outside() { nsenter -t "$pid" -n "$@"; } # our own programs in its network
cleanup() {
    [ -z "${boot:-}" ] || kill -KILL "$boot" 2>/dev/null || true
    sleep 1
    rm -rf "$root" 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM

until_ok() { # seconds, what, command...
    deadline=$(($(date +%s) + $1))
    what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $deadline ] || fail "$what"
        sleep 0.1
    done
}
answers() { outside curl -fs -m 2 http://127.0.0.1:8080/api/health; }
running() { inside test -e "/proc/$1"; }
written() { # bytes of journal
    outside curl -fs -m 2 http://127.0.0.1:8080/metrics |
        awk -v least="$1" '/^callee_journal_bytes_total/ { got = $2 } END { exit got < least }'
}
live_is() { outside curl -fs -m 2 http://127.0.0.1:8080/metrics | grep -q "^callee_calls_live $1\$"; }
call() {
    outside env TWILIO_AUTH_TOKEN=$token build/release/callee dial --url http://127.0.0.1:8080 \
        --to $number "$@"
}

[ "$(id -u)" = 0 ] || { echo "needs root"; exit 1; }
mkdir -p "$work"
first=$(sh scripts/deb.sh)
second=$(CALLEE_DEB_VERSION="$(dpkg-deb -f "$first" Version)+1" sh scripts/deb.sh)
depends=$(dpkg-deb -f "$first" Depends | sed 's/([^)]*)//g; s/ //g')

if [ ! -e "$base" ]; then
    say "base system (Debian 12, systemd, what the package depends on)"
    mmdebstrap --quiet --variant=minbase --include="systemd,systemd-sysv,dbus,$depends" \
        bookworm "$work/new.tar" /etc/apt/sources.list.d/debian.sources
    mv "$work/new.tar" "$base"
fi
rm -rf "$root"
mkdir -p "$root"
tar -C "$root" -xf "$base" --exclude='./dev/*'
cp "$first" "$root/first.deb"
cp "$second" "$root/second.deb"

sh test/deb/boot.sh "$root" >"$work/boot.log" 2>&1 &
boot=$!
find_pid() { # systemd: child of unshare
    pid=$(pgrep -P "$boot" | head -1) && [ -n "$pid" ] &&
        nsenter -t "$pid" -m -p -u -i -n -C systemctl is-system-running --wait | grep -qE 'running|degraded'
}
deadline=$(($(date +%s) + 30))
until find_pid 2>/dev/null; do
    [ "$(date +%s)" -lt $deadline ] || { cat "$work/boot.log"; pid=; fail "systemd did not come up"; }
    sleep 0.2
done
say "systemd runs: $(inside systemctl --version | head -1)"

say "install"
inside apt-get install -y -qq /first.deb >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; fail install; }
[ "$(inside systemctl is-active callee)" = active ] || fail "not started by its unit"
[ "$(inside systemctl is-enabled callee)" = enabled ] || fail "not enabled"
[ "$(inside stat -c %a:%U:%G /etc/callee/callee.conf)" = 640:root:callee ] || fail "settings unprotected"
[ "$(inside stat -c %a:%U /var/lib/callee)" = 750:callee ] || fail "data unprotected"
until_ok 10 "no answer" answers
outside ss -Hltn 2>/dev/null | grep -v '127.0.0.1' && fail "open to the world as installed"
[ "$(outside curl -s -o /dev/null -w '%{http_code}' -d CallSid=CA1 \
    http://127.0.0.1:8080/api/twilio/voice)" = 403 ] || fail "takes calls without configuration"

say "configure, restart, call"
cat >>"$root/etc/callee/callee.conf" <<CONF
public_url = http://127.0.0.1:8080
twilio_auth_token = $token
demo = true
CONF
inside systemctl restart callee || fail restart
until_ok 10 "no answer after the restart" answers
call --say "What are your opening hours on Saturday?" >"$work/call1.log" 2>&1 ||
    { cat "$work/call1.log"; fail "the call"; }
tail -1 "$work/call1.log"
inside systemctl show callee -p NotifyAccess,WatchdogUSec,StatusText,NRestarts,LimitNOFILE | tr '\n' ' '
echo

say "a server that hangs is found by the watchdog"
inside sh -c 'mkdir -p /run/systemd/system/callee.service.d
    printf "[Service]\nWatchdogSec=2\n" >/run/systemd/system/callee.service.d/watchdog.conf
    systemctl daemon-reload && systemctl restart callee'
until_ok 10 "no answer" answers
before=$(inside systemctl show callee -p MainPID --value)
inside sh -c "kill -STOP $before"
changed() { now=$(inside systemctl show callee -p MainPID --value) && [ "$now" != 0 ] && [ "$now" != "$before" ]; }
until_ok 20 "the watchdog did not bite" changed
until_ok 10 "no answer after the watchdog" answers
inside sh -c 'rm -r /run/systemd/system/callee.service.d && systemctl daemon-reload &&
    systemctl restart callee'
until_ok 10 "no answer" answers

say "kill -9: up again by itself"
before=$(inside systemctl show callee -p MainPID --value)
began=$(date +%s%3N)
inside sh -c "kill -KILL $before"
until_ok 10 "not restarted" changed
until_ok 10 "no answer after kill -9" answers
say "answers $(($(date +%s%3N) - began)) ms after the kill"

say "upgrade with a call in progress"
before=$(inside systemctl show callee -p MainPID --value)
call --say "What are your opening hours on Saturday?" --pause 6000 --say "Do you repair boots?" \
    --pause 4000 --say "What is your return policy?" >"$work/call2.log" 2>&1 &
dial=$!
until_ok 10 "the call did not begin" live_is 1
inside apt-get install -y -qq /second.deb >"$work/apt2.log" 2>&1 || { cat "$work/apt2.log"; fail upgrade; }
until_ok 90 "the new version was not started" changed
until_ok 20 "the new version does not answer" answers
[ "$(inside dpkg-query -W -f '${Version}' callee)" = "$(dpkg-deb -f "$second" Version)" ] || fail "not upgraded"
grep -q "^twilio_auth_token = $token" "$root/etc/callee/callee.conf" || fail "the settings were lost"
kill -0 $dial 2>/dev/null || fail "the call was over before the upgrade"
running "$before" || fail "the old program left its call"
status=0
wait $dial || status=$?
say "the call in progress ended with exit $status: $(tail -1 "$work/call2.log")"
[ $status = 0 ] && ! grep -q "am here again" "$work/call2.log" ||
    { cat "$work/call2.log"; fail "the call in progress over the upgrade"; }
gone() { ! running "$before"; }
until_ok 10 "the old program stays" gone
[ "$(inside systemctl is-active callee)" = active ] || fail "not active after the old program's end"
call --say "What is your return policy?" >"$work/call3.log" 2>&1 ||
    { cat "$work/call3.log"; fail "the call after the upgrade"; }
tail -1 "$work/call3.log"
inside runuser -u callee -- callee calls --data /var/lib/callee | tail -5

say "reload with a call in progress; the new process hangs, is killed; wrong settings; stop"
before=$(inside systemctl show callee -p MainPID --value)
call --say "What are your opening hours on Saturday?" --pause 4000 --say "Do you repair boots?" \
    >"$work/call4.log" 2>&1 &
dial=$!
until_ok 10 "the call did not begin" live_is 1
inside systemctl reload callee || fail reload
changed || fail "a reload changes the process"
wait $dial || { cat "$work/call4.log"; fail "the call in progress over the reload"; }
until_ok 10 "the old process stays" gone
before=$(inside systemctl show callee -p MainPID --value)
inside sh -c "kill -STOP $before"
until_ok 40 "the watchdog did not bite" changed
until_ok 10 "no answer after the watchdog" answers
before=$(inside systemctl show callee -p MainPID --value)
call --say "What are your opening hours on Saturday?" --pause 4000 --say "Do you repair boots?" \
    >"$work/call6.log" 2>&1 &
dial=$!
until_ok 10 "the call did not begin" written 50000
inside systemctl reload callee || fail "the second reload"
inside sh -c "kill -KILL $before" # the old one, in mid-call
wait $dial || { cat "$work/call6.log"; fail "the call of an old process that was killed"; }
resumed=$(inside journalctl --no-pager -u callee | grep -c 'call\.resumed')
[ "$resumed" = 1 ] || fail "$resumed calls were resumed"
before=$(inside systemctl show callee -p MainPID --value)
inside sh -c "kill -KILL $before"
until_ok 10 "killed after a reload: not restarted" changed
until_ok 10 "no answer after kill -9" answers
echo "no_such_key = 1" >>"$root/etc/callee/callee.conf"
before=$(inside systemctl show callee -p MainPID --value)
inside systemctl reload callee 2>/dev/null && fail "wrong settings are taken"
sed -i '$d' "$root/etc/callee/callee.conf"
answers >/dev/null || fail "wrong settings stop the old process"
changed && fail "another process with wrong settings"
call --say "What are your opening hours on Saturday?" --pause 4000 --say "Do you repair boots?" \
    >"$work/call5.log" 2>&1 &
dial=$!
until_ok 10 "the call did not begin" live_is 1
inside systemctl stop callee || fail stop
wait $dial || { cat "$work/call5.log"; fail "the call in progress at the stop"; }
inside systemctl start callee || fail start
until_ok 10 "no answer after the start" answers

say "backup and restore, as docs/operations.md says"
inside sh -ec 'install -d -o callee -g callee -m 700 /var/backups/callee
    runuser -u callee -- callee backup /var/backups/callee --data /var/lib/callee
    systemctl stop callee
    mv /var/lib/callee /var/lib/callee.old
    install -d -o callee -g callee -m 750 /var/lib/callee
    runuser -u callee -- callee restore /var/backups/callee --data /var/lib/callee
    systemctl start callee' || fail "backup or restore"
until_ok 10 "no answer after the restore" answers
calls=$(inside runuser -u callee -- callee calls --data /var/lib/callee | wc -l)
[ "$calls" -ge 3 ] || fail "$calls calls after the restore"
inside rm -r /var/lib/callee.old /var/backups/callee

say "remove: stopped, calls and settings stay"
inside apt-get remove -y -qq callee >"$work/apt3.log" 2>&1 || { cat "$work/apt3.log"; fail remove; }
answers >/dev/null && fail "still answers"
[ -e "$root/var/lib/callee/callee.db" ] && [ -e "$root/etc/callee/callee.conf" ] || fail "data went with it"

say "purge: nothing stays"
inside apt-get purge -y -qq callee >"$work/apt4.log" 2>&1 || { cat "$work/apt4.log"; fail purge; }
left=$(inside find / -xdev -name '*callee*' -not -path '/proc/*' -not -path '/sys/*' \
    -not -path '/var/log/*' -not -path '/var/lib/dpkg/*' 2>/dev/null || true)
[ -z "$left" ] || fail "left behind: $left"
inside getent passwd callee >/dev/null && fail "the user stays"
say "all passed"
