"""The local mail world: an SMTP server that stores what it receives and fails on request."""
