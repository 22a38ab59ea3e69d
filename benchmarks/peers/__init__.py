"""What the exporter is measured against; each module is a process of its own."""
