"""Measurements of the exporter beside its peers: ``python -m benchmarks``."""
