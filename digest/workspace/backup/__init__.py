"""Backups of the database that carry a checksum and restore whole."""
