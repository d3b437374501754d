#!/bin/sh
# Try the locks and a quick part of the tests on each Python, 3.11 to 3.13, that .venv does not have already.
#
# Each has an environment of its own beside .venv (.venv-3.12). A Python that the machine lacks is named and
# left out.
set -eu

# What a Python may do otherwise: contracts, tokens, keys, units, and a gateway on both databases.
quick="tests/contracts tests/exchange/auth tests/analytics/data
    tests/analytics/test_vectors.py tests/scenarios/interactions/test_fhir_interactions.py"

tested=$(sed -n 's/^version = \(3\.[0-9]*\).*/\1/p' .venv/pyvenv.cfg 2>/dev/null || true)
for release in 3.11 3.12 3.13; do
    [ "$release" != "$tested" ] || continue
    venv=.venv-$release
    python=$(sh tools/find_python.sh "$release") || {
        echo "Python $release: not on this machine, left out"
        continue
    }
    sh tools/environment.sh "$venv" "$python"
    sh tools/install.sh "$venv" requirements-test.lock "the tests on Python $release"
    echo "Python $release: every module, and a quick part of the tests"
    "$venv/bin/python" tools/import_all.py
    # shellcheck disable=SC2086  # a list
    "$venv/bin/pytest" --quiet -m "not slow and not fabric" $quick
done
