"""Membership: notices about subscriptions, reconsent, retention, erasure, access to personal data."""
