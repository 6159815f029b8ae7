"""The built-in processors: one file each, short enough to copy."""
