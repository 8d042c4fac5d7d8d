"""Alembic migrations, shipped in the wheel, for the tables of both packages."""
