"""3. Which readers get which version."""
