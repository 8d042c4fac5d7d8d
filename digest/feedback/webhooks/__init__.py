"""Webhooks of e-mail providers: adapters from their reports to our vocabulary."""
