"""Who may call, and when: rate limits and circuit breakers."""
