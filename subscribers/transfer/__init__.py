"""Import and export of subscribers."""
