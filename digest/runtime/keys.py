"""How large a number may be that stands for a row."""

MAX_KEY = 2**31 - 1
"""What PostgreSQL's integer holds; SQLite takes more, but no address or command names such a row."""
