"""Metrics for Prometheus, read from the database at each scrape; their cost does not grow with the audience."""

from digest.workspace.metrics.page import Metrics

__all__ = ["Metrics"]
