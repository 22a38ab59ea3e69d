"""From responses to a record over time: the state of a job, each run counted once, and what survives a restart."""
