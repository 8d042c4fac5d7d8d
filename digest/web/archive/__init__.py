"""The public archive: pages, search, feeds, static export."""
