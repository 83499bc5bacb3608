"""Tools of the operator: verify, rebuild, copy, doctor. They return and raise; the CLI prints."""
