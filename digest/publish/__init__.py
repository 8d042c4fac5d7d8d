"""Publishing an issue up to its sending: build, check, approve, freeze, archive."""
