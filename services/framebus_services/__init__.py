"""The services of framebus: one process each."""
