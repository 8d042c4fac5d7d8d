"""DKIM signatures, made in process (RFC 6376)."""
