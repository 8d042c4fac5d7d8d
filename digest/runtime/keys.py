"""Upper bound of integer primary keys."""

MAX_KEY = 2**31 - 1
"""PostgreSQL's integer; SQLite takes more, but addresses and commands refuse such keys."""
