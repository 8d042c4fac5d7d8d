"""Public pages: start, subscribers' pages, media, health, metrics."""
