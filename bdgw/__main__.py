"""``python -m bdgw``."""

from bdgw.cli import main

main()
