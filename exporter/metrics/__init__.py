"""From records to bytes: the catalogue of metrics, the store of all jobs, and the exporter's own metrics."""
