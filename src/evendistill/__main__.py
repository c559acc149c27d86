"""``python -m evendistill`` is the command line."""

from evendistill.cli import main

if __name__ == "__main__":
    main()
