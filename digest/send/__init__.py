"""One issue leaving the house: send, work, status, hold, resend, reconcile, rehearse."""
