"""`python -m rcg` is the command line."""

from rcg.cli import main

main()
