"""The domains. They never import each other: they meet in a transaction or through event types."""
