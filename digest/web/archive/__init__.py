"""Public archive: pages, search, feeds, static export."""
