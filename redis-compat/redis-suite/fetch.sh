#!/usr/bin/env bash
# Puts the test-suite of Debian's redis into target/redis-suite/source. Ends with 3 and one line that says why
# where the source package cannot be had: the source lists name none (deb-src), or there is no network.
set -euo pipefail
cd "$(dirname "$0")/../.."
source=target/redis-suite/source
[ -f "$source/complete" ] && exit 0

cannot() { echo "$1"; exit 3; }

command -v tclsh >/dev/null || cannot "tclsh is not installed (apt-get install tcl)"
command -v apt-get >/dev/null || cannot "there is no apt-get"
rm -rf target/redis-suite
mkdir -p target/redis-suite/download "$source"
(cd target/redis-suite/download && apt-get source --download-only -qq redis >log 2>&1) ||
    cannot "apt-get source redis: $(tail -n 1 target/redis-suite/download/log)"
tarball=$(echo target/redis-suite/download/redis_*.orig.tar.gz)
case "$tarball" in
*/redis_7.0.*) ;;
*) cannot "the list of skipped tests is for redis 7.0, the source lists have $tarball" ;;
esac
tar -xzf "$tarball" -C "$source" --strip-components=1
touch "$source/complete"
