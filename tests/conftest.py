"""What every test gets. The fixtures themselves are in `tests/fix`, a module for each concern."""

pytest_plugins = (
    "tests.fix.leaks",
    "tests.fix.postgres",
    "tests.fix.quiet",
    "tests.fix.stores",
    "tests.fix.vaults",
)
