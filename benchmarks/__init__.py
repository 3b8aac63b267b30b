"""Benchmarks of krauth beside its peers: `make bench`, or `python -m benchmarks --help` in `.venv-bench`.

Each module measures one part and returns plain data; `report` makes `docs/benchmarks.md` and `.ko.md` from a result file.
"""
