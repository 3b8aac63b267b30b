#!/usr/bin/env bash
# Tests on the built wheel, with coverage; then, on the other Pythons that this machine has, the core's tests.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin

rm -rf build/wheel dist
"$bin/python" -m build --no-isolation --wheel --outdir dist . >/dev/null
"$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target build/wheel dist/*.whl
export PYTHONPATH=$PWD/build/wheel

"$bin/coverage" erase
"$bin/coverage" run -m pytest -q
"$bin/coverage" combine -q
"$bin/coverage" report
