"""The floor: settings, database, clock, errors. Knows no stage."""
