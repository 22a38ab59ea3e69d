"""The web server: /metrics for Prometheus, the page for people, JSON for programs, health for the platform."""
