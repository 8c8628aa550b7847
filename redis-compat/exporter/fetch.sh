#!/usr/bin/env bash
# Puts Debian's prometheus-redis-exporter into target/exporter, without installing it: its package would start a
# service. Ends with 3 and one line that says why where it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
into=target/exporter
[ -x "$into/usr/bin/prometheus-redis-exporter" ] && exit 0

cannot() { echo "$1"; exit 3; }

command -v apt-get >/dev/null || cannot "there is no apt-get"
rm -rf "$into"
mkdir -p "$into/download"
(cd "$into/download" && apt-get download -qq prometheus-redis-exporter >log 2>&1) ||
    cannot "apt-get download prometheus-redis-exporter: $(tail -n 1 "$into/download/log")"
dpkg-deb -x "$into"/download/prometheus-redis-exporter_*.deb "$into"
