"""1. What we could publish."""
