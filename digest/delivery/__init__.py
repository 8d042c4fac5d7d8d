"""Stage 6: delivery of messages by relays or into a Maildir, with retries, rate limits and DKIM."""
