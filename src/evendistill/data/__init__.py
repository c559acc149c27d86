"""Data sets as the loop reads them: examples, splits and long tails."""
