"""When a call may be made: rate limiters and circuit breakers."""
