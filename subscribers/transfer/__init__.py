"""Readers in and out: files of other programs, row by row."""
