"""The web side: /metrics for Prometheus, the page for people, JSON for scripts, health for the platform."""
