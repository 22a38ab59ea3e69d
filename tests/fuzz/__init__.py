"""Every parser of the exporter, fed with whatever comes."""
