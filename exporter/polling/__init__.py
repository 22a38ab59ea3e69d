"""When a job is polled, the call, and the processing of its response; also lists and histories."""
