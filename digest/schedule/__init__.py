"""The month's run: `run` has its steps, top to bottom; each is safe to repeat, so that a crash costs nothing."""
