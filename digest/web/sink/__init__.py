"""Web mailbox of the local mail sink."""
