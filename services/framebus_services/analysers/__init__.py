"""Analysers of files: one file each, the ones to copy."""
