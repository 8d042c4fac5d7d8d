"""Webhooks of email providers: adapters from their reports to our vocabulary."""
