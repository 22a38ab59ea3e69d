"""Values without behaviour that all rooms share. Pure; imports nothing else of the exporter."""
