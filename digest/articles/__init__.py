"""Stage 1: articles, pictures and their import."""
