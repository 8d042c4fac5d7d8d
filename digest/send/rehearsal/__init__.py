"""A rehearsal: the whole month's send to the full audience, on a copy of the database, into a local sink.

It changes nothing of the real deliveries. It measures our own speed, and from it and the configured pace it says how
long the real send will take.
"""
