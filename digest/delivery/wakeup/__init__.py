"""Wakeup of long-running workers: polling, or procrastinate's queue on PostgreSQL."""
