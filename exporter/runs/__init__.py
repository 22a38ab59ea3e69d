"""From answers to a record over time: what is true of a job, each run counted once, and what survives a restart."""
