"""`python -m krauth_cli`: the same as the command `krauth`."""

from . import main

main("python -m krauth_cli")
