"""Who wakes the workers: nobody but the rows themselves on one machine, procrastinate on PostgreSQL."""
