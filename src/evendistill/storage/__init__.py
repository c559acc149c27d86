"""Files written whole or not at all, and read back only if they are what was written."""
