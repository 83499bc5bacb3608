"""The suite. A package, so that helpers are `tests.servers` and never shadow an installed name."""
