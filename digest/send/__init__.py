"""Sending one issue: send, worker, status, hold, resend, reconcile, rehearse."""
