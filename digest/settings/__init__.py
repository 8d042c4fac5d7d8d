"""digest.toml and the environment as validated values, one module a table."""
