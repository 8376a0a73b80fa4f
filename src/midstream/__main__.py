"""`python -m midstream` is the `midstream` command."""

from midstream.cli import main

main()
