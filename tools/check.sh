#!/usr/bin/env bash
# The tests on the built wheel, with coverage; then the core's and the adapters' on the other Pythons that are here.
# Ends with the line that counts the first.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin

rm -rf build/wheel dist
"$bin/python" -m build --no-isolation --wheel --outdir dist . >/dev/null
"$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target build/wheel dist/*.whl

"$bin/coverage" erase
PYTHONPATH=$PWD/build/wheel "$bin/python" tools/test.py "$bin/coverage" run -m pytest -q -p no:cacheprovider | tee build/pytest.log
"$bin/coverage" combine -q
"$bin/coverage" report

# On the other Pythons that are here: what differs most between them.
for version in 3.12 3.13; do
    others="tests/core tests/adapters tests/docs"
    python=
    for candidate in "python$version" "$HOME/.pyenv/versions/$version".*/bin/python; do
        "$candidate" -c pass 2>/dev/null && { python=$candidate; break; }
    done
    [ -n "$python" ] || { echo "Python $version is not here"; continue; }
    venv=.venv-$version
    "$python" -m venv "$venv"
    # All that the tests need, without the tools for lint, types, browsers and the site.
    grep -v -E '^(#|mkdocs|mypy|pyright|ruff|selenium|types-)' requirements-dev.txt >build/requirements-tests.txt
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt \
        "$(echo dist/*.whl)[all]" -r build/requirements-tests.txt
    # Again, since pip takes a wheel of the same version for the same wheel.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/*.whl
    echo "$("$venv/bin/python" --version): $others"
    # shellcheck disable=SC2086  these are several words
    "$venv/bin/python" -m pytest -q -p no:cacheprovider -m "not slow and not process and not browser and not interop" \
        $others | tail -n 1
done

"$bin/python" -m pytest -q benchmarks/test_ratios.py

tail -n 1 build/pytest.log
