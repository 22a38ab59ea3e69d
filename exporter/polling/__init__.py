"""When a job is polled, the call, and what follows from its answer; lists and histories too."""
