"""A Prometheus exporter that polls the jobs of DLI, DWS and CDM, and never reports anything that the cloud did not
report.
"""

__version__ = "0.1.0"
