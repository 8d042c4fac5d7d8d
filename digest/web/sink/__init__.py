"""The sink's mailbox in the browser."""
