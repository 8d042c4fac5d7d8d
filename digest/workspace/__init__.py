"""The whole installation: create, demo, doctor, backup, metrics, report."""
