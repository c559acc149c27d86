"""Where a user begins: what is in the data, a first recipe for them, and whether this machine can run it."""
