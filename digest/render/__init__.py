"""4. From an edition to HTML, text and pre-encoded parts."""
