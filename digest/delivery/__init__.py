"""6. Keeping the promise."""
