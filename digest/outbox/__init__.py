"""5. The promise: one row for each issue and subscriber."""
