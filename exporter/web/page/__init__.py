"""The page for people: what the list and a job's page show, and the templates that render it."""
