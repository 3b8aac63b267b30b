"""`python -m krauth`: the same as the command `krauth`."""

import importlib

# By name: the core imports nothing of the command line.
importlib.import_module("krauth_cli").main("python -m krauth")
