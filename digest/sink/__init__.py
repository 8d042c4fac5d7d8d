"""Local SMTP server for development: stores what it receives and fails on request."""
