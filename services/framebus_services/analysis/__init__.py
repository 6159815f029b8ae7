"""Slow looks at uploaded files, gently: jobs of type `analysis`."""
