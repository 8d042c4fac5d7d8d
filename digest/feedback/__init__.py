"""Stage 7: feedback, the evidence of what became of sent mail."""
