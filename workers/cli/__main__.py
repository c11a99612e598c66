"""`python -m workers.cli` is the `shoplight` command."""

from workers.cli.main import main

main()
