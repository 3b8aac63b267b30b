# make demo   install and run the main job against the embedded sandbox
# make test   install and run the tests
# make check  everything CI runs
# make bench  quick benchmarks; make bench-full, make soak: the long ones

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check lint types imports wheel bench bench-full soak clean

demo: $(STAMP)
	$(BIN)/krauth demo

test: $(STAMP)
	$(BIN)/python -m pytest

check: $(STAMP) lint types imports
	bash tools/check.sh

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright

imports: $(STAMP)
	$(BIN)/lint-imports

$(STAMP): pyproject.toml constraints.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]' -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) dist build .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
