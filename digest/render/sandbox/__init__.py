"""A workspace's own templates, rendered in one child process with limits of time and memory."""
