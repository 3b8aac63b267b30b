#!/usr/bin/env bash
# All tests on the built wheel; then those of the core, the adapters and the pages on the other Pythons
# that are here, or all of them with ALL_PYTHONS=1, as the workflow runs them. Ends with the line that counts all.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin

python_of() { # python_of VERSION: where it is, if it is here
    for candidate in "python$1" "$HOME/.pyenv/versions/$1".*/bin/python; do
        "$candidate" -c pass 2>/dev/null && echo "$candidate" && return
    done
    echo "Python $1 is not here" >&2
}

# The tools for lint, types and the site; and what only the tests in a browser need, where those do not run.
unneeded="mkdocs|mypy|pyright|ruff|types-"
[ -n "${ALL_PYTHONS:-}" ] || unneeded="$unneeded|selenium"

install() { # install PYTHON VENV: the wheel and what the tests need
    "$1" -m venv "$2"
    grep -v -E "^(#|$unneeded)" requirements-dev.txt >build/requirements-tests.txt
    "$2/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt \
        "$(echo dist/*.whl)[all]" -r build/requirements-tests.txt
    # Again, since pip takes a wheel of the same version for the same wheel.
    "$2/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/*.whl
}

rm -rf build/wheel dist
"$bin/python" -m build --no-isolation --wheel --outdir dist . >/dev/null
"$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target build/wheel dist/*.whl
# The entry points are those of .venv. With the wheel's own metadata pytest would rewrite each module of the library, also
# those that threads import: CPython before 3.11.8 fails when two threads parse at once (gh-106905).
rm -r build/wheel/*.dist-info

PYTHONPATH=$PWD/build/wheel "$bin/python" tools/test.py "$bin/python" -m pytest -q -p no:cacheprovider | tee build/pytest.log

for version in 3.12 3.13; do
    if other=$(python_of "$version") && [ -n "$other" ]; then
        install "$other" ".venv-$version"
        if [ -n "${ALL_PYTHONS:-}" ]; then
            echo "$("$other" --version): everything"
            ".venv-$version/bin/python" tools/test.py "$PWD/.venv-$version/bin/python" -m pytest -q -p no:cacheprovider
            continue
        fi
        echo "$("$other" --version): core, adapters and pages"
        ".venv-$version/bin/python" -m pytest -q -p no:cacheprovider \
            -m "not slow and not process and not browser and not interop" tests/core tests/adapters tests/docs | tail -n 1
    fi
done

"$bin/python" -m pytest -q benchmarks/test_ratios.py

tail -n 1 build/pytest.log
