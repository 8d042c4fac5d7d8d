"""Markdown as editors write it: what CommonMark lacks, and what it would print as typed or drop."""
