"""Files of pictures and of video that are read, by their endings. Imports no video library."""

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

VIDEOS = {".mp4": "mov", ".mov": "mov", ".mkv": "matroska", ".webm": "matroska", ".avi": "avi", ".ts": "mpegts"}
"""each ending is opened as this and nothing else: a playlist in disguise could name other files"""
