"""The sources of jobs: the section ``jobs``, job files, and the rules of ``discovery``."""
