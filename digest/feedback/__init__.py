"""7. What came back."""
