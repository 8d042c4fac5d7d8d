"""HTTP plumbing: server, headers, limits of time and size."""
