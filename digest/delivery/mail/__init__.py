"""Composition of a recipient's message: headers and spliced parts."""
