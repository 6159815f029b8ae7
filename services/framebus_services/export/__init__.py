"""Clips from what was recorded: jobs of type `export`."""
