"""Scheduled runs, one a month: `run` has the steps, each idempotent, so that a run resumes after a crash."""
