"""2. What this month publishes."""
