"""Accounts of the people who make the publication: sign-in, sessions, and the audit log."""
