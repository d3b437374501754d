#!/bin/sh
# Print a Python of one of these releases, the first that this machine has; fail without one.
#
#     sh tools/find_python.sh 3.11 3.12 3.13
set -eu

# It has to make environments: Debian keeps `ensurepip` in a package of its own.
probe='import sys, ensurepip, venv; print("%d.%d" % sys.version_info[:2])'
for release in "$@"; do
    for python in "python$release" python3 python \
        "${HOME:-}/.pyenv/versions/$release".*/bin/python \
        "${HOME:-}/.local/share/uv/python/cpython-$release".*/bin/python; do
        if [ "$("$python" -c "$probe" 2>/dev/null)" = "$release" ]; then
            command -v "$python"
            exit 0
        fi
    done
done
exit 1
