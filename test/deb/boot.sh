#!/bin/sh
# Runs systemd as process 1 of ROOT in namespaces of its own (processes, mounts, network, cgroups),
# so that a package can be installed and its unit started as on a machine. Needs root.
# Usage: boot.sh ROOT. Ends when it is killed, and everything in it with it.
set -eu
export ROOT="$1"
# shellcheck disable=SC2016
exec unshare --kill-child -m -p -f -u -i -n --propagation private sh -ec '
    mount --bind "$ROOT" "$ROOT"
    cd "$ROOT"
    ip link set lo up 2>/dev/null || ifconfig lo up
    mount -t proc proc proc
    mount -t sysfs sysfs sys 2>/dev/null || mount --rbind /sys sys
    umount -l sys/fs/cgroup 2>/dev/null || true
    # A part of the control groups of its own, whatever the version the host itself uses.
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mkdir -p sys/fs/cgroup/callee-deb-test
    echo 0 >sys/fs/cgroup/callee-deb-test/cgroup.procs
    exec unshare -C sh -ec "
        umount sys/fs/cgroup
        mount -t cgroup2 cgroup2 sys/fs/cgroup
        mount -t tmpfs tmpfs run
        mount -t tmpfs -o mode=755 tmpfs dev
        mkdir dev/shm dev/pts
        mount -t tmpfs tmpfs dev/shm
        mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
        ln -s pts/ptmx dev/ptmx
        ln -s /proc/self/fd dev/fd
        # Nodes of its own: systemd changes the owner and mode of what it finds here.
        mknod -m 666 dev/null c 1 3
        mknod -m 666 dev/zero c 1 5
        mknod -m 666 dev/full c 1 7
        mknod -m 666 dev/random c 1 8
        mknod -m 666 dev/urandom c 1 9
        mknod -m 666 dev/tty c 5 0
        mknod -m 600 dev/console c 1 3
        mkdir -p old
        pivot_root . old
        umount -l /old
        exec env -i container=callee-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            /lib/systemd/systemd --unit=multi-user.target
    "
'
