"""Runtime base: database, clock, errors, logs, files. Knows no stage."""
