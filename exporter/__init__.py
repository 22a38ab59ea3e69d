"""A Prometheus exporter that polls the jobs of DLI, DWS and CDM and never says what the cloud did not say."""

__version__ = "0.1.0"
