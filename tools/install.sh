#!/bin/sh
# Install the packages of a lock and this program itself into a virtual environment, in parallel.
#
#     sh tools/install.sh .venv requirements-demo.lock "the demo"
#
# Everything is said on standard error: a command that installs first can keep its answer clean.
set -eu
exec 1>&2

venv=$1
lock=$2
about=$3
started=$(date +%s)
uv="$venv/bin/uv"
pinned=$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements-installer.lock)

if [ "$("$uv" --version 2>/dev/null | cut -d ' ' -f 2)" != "$pinned" ]; then
    echo "1/3 the installer: uv $pinned"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes --requirement requirements-installer.lock
fi
echo "2/3 packages for $about: up to $(grep -c '^[a-z]' "$lock") of $lock"
# The list of every package is left out; `grep` would also hide that the installer failed.
status=$({ {
    "$uv" pip install --python "$venv/bin/python" --require-hashes --requirement "$lock" 2>&1 && code=0 || code=$?
    echo "$code" >&3
} | grep --line-buffered -v '^ [-+~] ' >&2; } 3>&1) || true
[ "$status" = 0 ] || exit "$status"
echo "3/3 this program"
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
echo "installed $about in $(($(date +%s) - started)) s"
