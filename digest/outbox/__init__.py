"""Stage 5: the outbox, one promise for each issue and subscriber."""
