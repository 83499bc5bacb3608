"""The command `perdure`, run as its users run it."""
