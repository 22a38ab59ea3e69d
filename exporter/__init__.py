"""A Prometheus exporter that polls the jobs of DLI, DWS and CDM, and never reports anything that the cloud did not
report.
"""

__version__ = "1.0.0"
__revision__ = "$Format:%H$"  # git archive writes the commit here, and so every release has it
