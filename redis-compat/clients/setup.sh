#!/usr/bin/env bash
# Prepares the client libraries that the tests of redis-compat/clients.rs use: a Python environment in
# target/compat/venv and Node modules in target/compat/node. Needs python3 with venv, node and npm, and the network.
# Runs again only what is out of date.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
target="$here/../../target/compat"
mkdir -p "$target/node"
hiredis=3.5.0
oldest_redis_py=5.0.8

if ! cmp -s "$here/requirements.txt" "$target/venv/requirements.txt"; then
  rm -rf "$target/venv"
  python3 -m venv "$target/venv"
  "$target/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$target/venv/requirements.txt"
fi

# A parser in C, which redis-py uses where it finds it: in a folder of its own, so that both parsers are tested.
if ! [ -d "$target/hiredis/hiredis-$hiredis.dist-info" ]; then
  rm -rf "$target/hiredis"
  "$target/venv/bin/pip" install --quiet --disable-pip-version-check --target "$target/hiredis" "hiredis==$hiredis"
fi

# Django's own tests of caches, which its wheel lacks: those of the version installed, from its source distribution.
django=$(sed -n 's/^Django==//p' "$here/requirements.txt")
if ! [ -d "$target/django-$django/tests" ]; then
  rm -rf "$target"/django-* "$target"/[Dd]jango-*.tar.gz "$target/unpacked"
  "$target/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
    --dest "$target" "Django==$django"
  mkdir "$target/unpacked"
  tar -xzf "$target"/[Dd]jango-"$django".tar.gz -C "$target/unpacked" --strip-components 1
  mkdir "$target/django-$django"
  mv "$target/unpacked/tests" "$target/django-$django/tests"
  rm -rf "$target/unpacked" "$target"/[Dd]jango-"$django".tar.gz
fi

# The oldest redis-py that the package of clients/python works with.
if ! [ -d "$target/redis5/redis-$oldest_redis_py.dist-info" ]; then
  rm -rf "$target/redis5"
  "$target/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$target/redis5" \
    "redis==$oldest_redis_py"
fi

if ! cmp -s "$here/package-lock.json" "$target/node/installed-lock.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$target/node/"
  (cd "$target/node" && npm ci --silent --no-audit --no-fund)
  cp "$here/package-lock.json" "$target/node/installed-lock.json"
fi
# Where the package of clients/node looks for the libraries that it is used with.
ln -sfn ../../target/compat/node/node_modules "$here/../../clients/node/node_modules"
echo "clients are ready in $(cd "$target" && pwd -P)"
