#!/bin/sh
# Packs build/release/callee as build/callee_VERSION_ARCH.deb. Needs dpkg-dev; nothing is installed.
# CALLEE_DEB_VERSION: another version than CMakeLists.txt names, for trying an upgrade.
set -eu
cd "$(dirname "$0")/.."

version=${CALLEE_DEB_VERSION:-$(sed -n 's/^project(callee VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)}
arch=$(dpkg --print-architecture)
root=build/deb/root
meta=deploy/debian

rm -rf build/deb
mkdir -p $root/DEBIAN $root/lib/systemd/system $root/etc/callee $root/usr/share/doc/callee/examples
cmake --install build/release --prefix "$PWD/$root/usr" --strip >build/deb/install.log
gzip -9n $root/usr/share/man/man1/callee.1

install -m 644 deploy/callee.service $root/lib/systemd/system/
install -m 640 deploy/callee.conf $root/etc/callee/
doc=$root/usr/share/doc/callee
install -m 644 $meta/copyright $doc/
gzip -9n <CHANGELOG.md >$doc/CHANGELOG.md.gz
{
    printf 'callee (%s) unstable; urgency=medium\n\n' "$version"
    printf '  * See CHANGELOG.md.\n\n -- The callee developers <callee@example.org>  %s\n' \
        "$(date -R -r CHANGELOG.md)"
} | gzip -9n >$doc/changelog.gz
install -m 644 docs/config.md docs/operations.md docs/twilio.md docs/engines.md docs/journal.md $doc/
for example in Caddyfile nginx.conf prometheus-alerts.yml logrotate; do
    [ ! -e deploy/$example ] || install -m 644 deploy/$example $doc/examples/
done
[ -n "$(ls $doc/examples)" ] || rmdir $doc/examples
find $root -type d -exec chmod 755 {} +

# dpkg-shlibdeps wants a source package around it.
mkdir -p build/deb/debian
printf 'Source: callee\n\nPackage: callee\nArchitecture: any\n' >build/deb/debian/control
shlibs=$(cd build/deb && dpkg-shlibdeps -O root/usr/bin/callee 2>shlibs.log |
    sed -n 's/^shlibs:Depends=//p')
[ -n "$shlibs" ] || { cat build/deb/shlibs.log >&2; exit 1; }

sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s|@SHLIBS@|$shlibs|" \
    -e "s/@SIZE@/$(du -ks --apparent-size $root | cut -f1)/" $meta/control >$root/DEBIAN/control
echo /etc/callee/callee.conf >$root/DEBIAN/conffiles
install -m 755 $meta/postinst $meta/prerm $meta/postrm $root/DEBIAN/
(cd $root && find usr lib -type f -exec md5sum {} + | sort -k2 >DEBIAN/md5sums)
chmod 644 $root/DEBIAN/control $root/DEBIAN/conffiles $root/DEBIAN/md5sums

package=build/callee_${version}_${arch}.deb
dpkg-deb --root-owner-group --build $root "$package" >build/deb/build.log
echo "$package"
