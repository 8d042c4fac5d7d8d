"""Figures for Prometheus, read from the database at each scrape: cheap, whatever the size of the audience."""

from digest.workspace.metrics.page import Metrics

__all__ = ["Metrics"]
