"""Date rules for monthly events, working days and holidays, and local time. Pure, and independent of digest."""
