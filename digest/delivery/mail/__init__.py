"""One recipient's message: headers and spliced parts."""
