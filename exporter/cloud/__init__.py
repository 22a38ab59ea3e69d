"""Calls to the vendor: endpoints, credentials, and the one HTTP client."""
