"""Stage 4: rendering of editions and notices to HTML, plain text and encoded parts."""
