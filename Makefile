# make demo   install and run the main job against the embedded sandbox
# make quick  the pure tests and those of the engine, in less than 40 seconds
# make test   install and run the tests
# make docs   build the documentation site
# make wheel  build wheel and source distribution
# make coverage  the tests again, and what they cover
# make floors the tests with the lowest versions of the dependencies
# make runtimes  web servers, job queues, notebooks and packers, in an environment of their own
# make changes  what the change fragments say of the next release
# make fragment  whether the change since BASE has one
# make check  everything CI runs
# make instructions  the instructions of a call, an import and a token request, beside a baseline; needs valgrind
# make bench  benchmarks beside the peers, in ten minutes, and their page; make bench-full, make soak: the long ones

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-demo
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
DEMO_INSTALL := install --quiet --disable-pip-version-check --no-compile --no-warn-conflicts -c constraints.txt \
	-e '.[requests,httpx,httpx2,aiohttp,cli,sandbox]'

# Without compiled modules each of the processes that the tests start compiles the library anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo quick test coverage ratios instructions check lint types imports docs wheel changes fragment floors runtimes bench bench-full bench-smoke soak clean

demo: $(DEMO_STAMP)
	$(BIN)/krauth demo

# Four processes beside each other; `python -m pytest` runs everything in one.
test: $(STAMP)
	$(BIN)/python tools/test.py $(BIN)/python -m pytest -q

quick: $(STAMP)
	$(BIN)/python -m pytest -q tests/core tests/engine -m "not slow and not process"

# What a call with a fresh token costs, beside a static bearer. It measures, so it wants a quiet machine.
ratios: $(STAMP)
	$(BIN)/python -m pytest -q benchmarks/test_ratios.py

# The same in instructions, which a busy machine does not change: it fails where a ratio grew. Four minutes, with valgrind.
# `.venv/bin/python -m benchmarks.instructions --update` writes the baseline anew.
instructions: $(STAMP)
	$(BIN)/python -m benchmarks.instructions

# The tests again, on the built wheel, and on the other Pythons that are here; then the ratios.
check: $(STAMP) lint types imports docs
	bash tools/check.sh

# Processes killed with SIGKILL while they refresh, 500 times for each durable store; and longer searches of the models.
soak: $(STAMP)
	KRAUTH_SOAK_KILLS=500 $(BIN)/python -m pytest tests/stores/test_processes.py -k killed
	KRAUTH_MODEL_FULL=1 $(BIN)/python -m pytest tests/model
	KRAUTH_MODEL_EXAMPLES=2000 KRAUTH_MODEL_STEPS=80 $(BIN)/python -m pytest tests/engine/test_model.py
	KRAUTH_SOAK_SECONDS=600 $(BIN)/python -m pytest -s tests/engine/test_soak.py

# What the tests cover, 90 % at least. Tracing makes each test slower, so that it is a run of its own.
coverage: $(STAMP)
	$(BIN)/coverage erase
	$(BIN)/python tools/test.py $(BIN)/coverage run -m pytest -q -p no:cacheprovider
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

# The documentation site, into build/site: Korean first, English beside it. A warning is an error.
docs: $(STAMP)
	$(BIN)/python tools/make_docs.py --check
	$(BIN)/python tools/make_docs.py --stage
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# The wheel and the source distribution, into dist/.
wheel: $(STAMP)
	$(BIN)/python -m build --no-isolation --outdir dist .

# What the next release changes, from changes/.
changes: $(STAMP)
	$(BIN)/towncrier build --draft --version next

# Whether a change of src/ since BASE has a fragment in changes/.
BASE ?= origin/main
fragment: $(STAMP)
	git diff --quiet $(BASE)... -- src || $(BIN)/towncrier check --compare-with $(BASE)

# The tests with the lowest versions that pyproject.toml declares.
FLOORS := .venv-floors
floors:
	$(PYTHON) -m venv $(FLOORS)
	$(FLOORS)/bin/python $(PIP_INSTALL) -c constraints-floors.txt -e '.[all]' -r requirements-floors.txt
	$(FLOORS)/bin/python -m pytest -q -p no:cacheprovider -m "not slow and not process" \
		tests/core tests/adapters tests/conformance tests/cli

# Servers and runtimes of others: gunicorn, uvicorn, Celery, RQ, gevent, notebooks, PyInstaller, zip files, Scrapy.
RUNTIMES := .venv-runtimes
RUNTIMES_STAMP := $(RUNTIMES)/.installed
runtimes: $(RUNTIMES_STAMP)
	$(RUNTIMES)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --force-reinstall .
	$(RUNTIMES)/bin/python -m pytest -q -p no:cacheprovider tests/runtimes

$(RUNTIMES_STAMP): pyproject.toml requirements-runtimes.txt constraints-runtimes.txt
	$(PYTHON) -m venv $(RUNTIMES)
	$(RUNTIMES)/bin/python $(PIP_INSTALL) -c constraints-runtimes.txt '.[requests,httpx,redis,sandbox]' \
		-r requirements-runtimes.txt
	touch $@

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright

imports: $(STAMP)
	$(BIN)/lint-imports

# What the demo runs, and nothing that only development needs. The pip of $(PYTHON) installs, where it can: to make an
# environment with a pip of its own takes longer than to install half of the packages.
$(DEMO_STAMP): pyproject.toml constraints.txt
	if $(PYTHON) -m pip --python "$$(command -v $(PYTHON))" --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python $(DEMO_INSTALL); \
	else \
		$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip $(DEMO_INSTALL); \
	fi
	touch $@

$(STAMP): pyproject.toml constraints.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[all]' -r requirements-dev.txt
	touch $@ $(DEMO_STAMP)

# The peers live in an environment of their own: nothing of theirs is in the one that the tests run in.
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.installed

bench: $(BENCH_STAMP)
	$(BENCH_VENV)/bin/python -m benchmarks

bench-full: $(BENCH_STAMP)
	$(BENCH_VENV)/bin/python -m benchmarks --full

# Each part for a moment, nothing published: do the benchmarks still run?
bench-smoke: $(BENCH_STAMP)
	$(BENCH_VENV)/bin/python -m benchmarks --smoke

$(BENCH_STAMP): pyproject.toml benchmarks/requirements.txt benchmarks/constraints.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c benchmarks/constraints.txt \
		-e '.[requests,httpx,httpx2,aiohttp,redis]' -r benchmarks/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) .venv-* dist build .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
