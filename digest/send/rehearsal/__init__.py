"""Dry run of a send to the full audience, on a copy of the database, into a local sink.

It measures throughput and predicts from it and the configured rate limits how long the real send will take.
"""
