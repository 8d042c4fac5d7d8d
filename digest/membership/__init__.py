"""Where the audience meets the outbox: sign-ups become notices, people are asked, forgotten, and told what is known."""
