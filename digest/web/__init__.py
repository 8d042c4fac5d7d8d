"""Pages: preview for editors, public pages for readers."""
