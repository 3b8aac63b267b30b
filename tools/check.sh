#!/usr/bin/env bash
# The tests on the built wheel, with coverage; then the core's and the adapters' on the other Pythons that are here.
# Ends with pytest's closing line of the first.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin

rm -rf build/wheel dist
"$bin/python" -m build --no-isolation --wheel --outdir dist . >/dev/null
"$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target build/wheel dist/*.whl

"$bin/coverage" erase
PYTHONPATH=$PWD/build/wheel "$bin/coverage" run -m pytest -q 2>&1 | tee build/pytest.log
"$bin/coverage" combine -q
"$bin/coverage" report

for version in 3.12 3.13; do
    python=
    for candidate in "python$version" "$HOME/.pyenv/versions/$version".*/bin/python; do
        "$candidate" -c pass 2>/dev/null && { python=$candidate; break; }
    done
    [ -n "$python" ] || { echo "Python $version is not here"; continue; }
    venv=.venv-$version
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt \
        dist/*.whl aiohttp click cryptography hypothesis httpx httpx2 h2 keyring pytest redis requests rich trio trustme
    # Again, since pip takes a wheel of the same version for the same wheel.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/*.whl
    echo "$("$venv/bin/python" --version): core, adapters, docs"
    "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/core tests/adapters tests/docs | tail -n 1
done

"$bin/python" -m pytest -q benchmarks/test_ratios.py

tail -n 1 build/pytest.log
