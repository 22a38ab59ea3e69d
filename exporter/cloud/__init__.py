"""Input and output towards the vendor: where a service is, who asks, and the one HTTP client."""
