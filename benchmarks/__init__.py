"""Benchmarks of krauth beside its peers: `make bench`, or `python -m benchmarks --help` in `.venv-bench`.

Each module measures one part and returns plain data; `report` turns a result file into `docs/benchmarks.md`.
"""
