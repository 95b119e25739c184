#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Puts tokend and all that belongs to it under DESTDIR: the tree of an image, a package, or / itself.
# Needs a POSIX shell and sed, no network; writes nothing unless every file is there; can be repeated.
set -eu

usage() {
    cat <<'USAGE'
usage: cross/install.sh [OPTION...] DESTDIR

  --binary FILE       the program (target/release/tokend)
  --platform NAME     with the configuration of cross/platforms/NAME: rdk, webos or generic
  --systemd VERSION   the device's systemd; for 230 to 243 another unit is installed (244)
  --prefix DIR        where all but the configuration goes (/usr)
  --bindir DIR        the program's directory on the device (PREFIX/bin)
  --sysconfdir DIR    the configuration's parent on the device (/etc)
  --unitdir DIR       systemd units (PREFIX/lib/systemd/system)
  --sysusersdir DIR   systemd-sysusers (PREFIX/lib/sysusers.d)
  --dbusdir DIR       parent of system.d, system-services, interfaces (PREFIX/share/dbus-1)
  --docdir DIR        licences, README, drop-in examples (PREFIX/share/doc/tokend)
  --mandir DIR        manual pages (PREFIX/share/man)
  --completiondir DIR completion for bash (PREFIX/share/bash-completion/completions)
  --small             without manual pages and completion

Directories are those that the device sees, without DESTDIR. tokend itself reads /usr/lib/tokend,
/etc/tokend and /run/tokend whatever the options say.
USAGE
}

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

# The checkout, wherever this is called from; relative arguments are the caller's.
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
binary=$here/target/release/tokend
platform='' systemd=244 prefix=/usr bindir='' sysconfdir=/etc unitdir='' sysusersdir='' dbusdir='' docdir=''
mandir='' completiondir='' small='' destdir=''

while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit 0 ;;
        --small) small=1; shift ;;
        --binary | --platform | --systemd | --prefix | --bindir | --sysconfdir | --unitdir | --sysusersdir | --dbusdir | --docdir | \
            --mandir | --completiondir)
            [ -n "${2:-}" ] || fail "$1 needs a value" 64
            case $1:$2 in
                --binary:* | --platform:* | --systemd:* | --*:/*) ;;
                *) fail "$1 $2: not an absolute path" 64 ;;
            esac
            case $1 in
                --binary) binary=$2 ;;
                --platform) platform=$2 ;;
                --systemd) systemd=$2 ;;
                --prefix) prefix=$2 ;;
                --bindir) bindir=$2 ;;
                --sysconfdir) sysconfdir=$2 ;;
                --unitdir) unitdir=$2 ;;
                --sysusersdir) sysusersdir=$2 ;;
                --dbusdir) dbusdir=$2 ;;
                --docdir) docdir=$2 ;;
                --mandir) mandir=$2 ;;
                --completiondir) completiondir=$2 ;;
            esac
            shift 2
            ;;
        -*) fail "unknown option $1 (see --help)" 64 ;;
        '') fail "DESTDIR is empty; for the running system it is /" 64 ;;
        *)
            [ -z "$destdir" ] || fail "more than one DESTDIR: $destdir and $1" 64
            destdir=$1
            shift
            ;;
    esac
done
[ -n "$destdir" ] || { usage >&2; exit 64; }

root=${destdir%/}
prefix=${prefix%/}
bindir=${bindir:-$prefix/bin}
unitdir=${unitdir:-$prefix/lib/systemd/system}
sysusersdir=${sysusersdir:-$prefix/lib/sysusers.d}
dbusdir=${dbusdir:-$prefix/share/dbus-1}
docdir=${docdir:-$prefix/share/doc/tokend}
mandir=${mandir:-$prefix/share/man}
completiondir=${completiondir:-$prefix/share/bash-completion/completions}
case $bindir in
    *[!A-Za-z0-9/._+-]*) fail "--bindir $bindir: a unit file takes only letters, digits and /._+- here" 64 ;;
esac

sample=''
if [ -n "$platform" ]; then
    sample=$here/cross/platforms/$platform
    case $platform in */* | .*) sample='' ;; esac
    [ -f "$sample/tokend.toml" ] || fail "--platform $platform: rdk, webos or generic" 64
fi
# Which unit: tokend.service has lines that an older systemd reads wrongly, not only some that it skips.
case $systemd in
    *[!0-9]*) fail "--systemd $systemd: a number, as systemctl --version says" 64 ;;
esac
[ "$systemd" -ge 230 ] || fail "--systemd $systemd: tokend has units for 230 and later" 64
unit=$here/systemd/tokend.service state=''
[ "$systemd" -ge 244 ] || unit=$here/systemd/tokend-230.service state=$here/systemd/tokend-state.service
[ ! -f "$sample/tokend-state.service" ] || state=$sample/tokend-state.service

policy=$here/systemd/tv.tokend.conf
[ ! -f "$sample/tv.tokend.conf" ] || policy=$sample/tv.tokend.conf

# One loop for both: first look, then write.
# MODE SOURCE TARGET; the mode "text" stands for 0644 with the program's path put in.
each_file() {
    # Not to be read: started by systemd, the memory of a program that its user cannot read is shut to
    # other processes of that user from the first moment.
    "$1" 0711 "$binary" "$bindir/tokend"
    "$1" text "$unit" "$unitdir/tokend.service"
    [ -z "$state" ] || "$1" 0644 "$state" "$unitdir/tokend-state.service"
    "$1" text "$here/systemd/tv.tokend.service" "$dbusdir/system-services/tv.tokend.service"
    "$1" 0644 "$policy" "$dbusdir/system.d/tv.tokend.conf"
    "$1" 0644 "$here/systemd/tokend.sysusers" "$sysusersdir/tokend.conf"
    for interface in "$here"/systemd/tv.tokend*.xml; do
        "$1" 0644 "$interface" "$dbusdir/interfaces/${interface##*/}"
    done
    for text in README.md LICENSE-MIT LICENSE-APACHE; do
        "$1" 0644 "$here/$text" "$docdir/$text"
    done
    "$1" 0644 "$here/cross/compliance/THIRD-PARTY-LICENSES.txt" "$docdir/THIRD-PARTY-LICENSES.txt"
    for example in "$here"/systemd/examples/*.conf; do
        "$1" text "$example" "$docdir/examples/${example##*/}"
    done
    if [ -z "$small" ]; then
        for page in "$here"/docs/man/*.[1-9]; do
            "$1" 0644 "$page" "$mandir/man${page##*.}/${page##*/}"
        done
        # By the name of the command: so bash-completion finds it.
        "$1" 0644 "$here/docs/completion/tokend.bash" "$completiondir/tokend"
    fi
    [ -n "$sample" ] || return 0
    # The place of what comes with the image; what /etc/tokend has replaces it.
    "$1" 0644 "$sample/tokend.toml" /usr/lib/tokend/tokend.toml
    "$1" 0644 "$sample/applications.d/cinema.toml" "$docdir/examples/cinema.toml"
    for dropin in "$sample"/tokend.service.d/*.conf; do
        "$1" text "$dropin" "$unitdir/tokend.service.d/${dropin##*/}"
    done
    for group in "$sample"/*.sysusers; do
        [ ! -f "$group" ] || "$1" 0644 "$group" "$sysusersdir/tokend-$(basename "$group" .sysusers).conf"
    done
}

missing=0
look() {
    [ -f "$2" ] && [ -r "$2" ] && return
    printf 'install.sh: missing: %s\n' "$2" >&2
    missing=1
}

# Beside the target and then renamed, so that a program that runs can be replaced.
put() {
    target=$root$3
    mkdir -p -- "${target%/*}"
    rm -f -- "$target.new"
    if [ "$1" = text ]; then
        sed "s|/usr/bin/tokend|$bindir/tokend|g" "$2" >"$target.new"
        chmod 0644 "$target.new"
    else
        cp -- "$2" "$target.new"
        chmod "$1" "$target.new"
    fi
    mv -f -- "$target.new" "$target"
}

each_file look
if [ "$missing" -ne 0 ]; then
    [ -f "$binary" ] || printf 'install.sh: %s\n' \
        "build the program first (cargo build --release, or cross/build TARGET), or name it with --binary" >&2
    fail "nothing was installed"
fi

umask 022
each_file put
# Application files go here; an image or a package adds them. Only made, so that what is there stays.
mkdir -p -- "$root$sysconfdir/tokend/applications.d"
printf 'installed tokend in %s\n' "$destdir"
