"""Files of pictures and of video that are read, by their endings. Imports no video library."""

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

MAX_PICTURE_PIXELS = 50_000_000
"""larger ones are refused unread; cv2 takes it from its environment when it is imported (OPENCV_IO_MAX_IMAGE_PIXELS)"""

VIDEOS = {".mp4": "mov", ".mov": "mov", ".mkv": "matroska", ".webm": "matroska", ".avi": "avi", ".ts": "mpegts"}
"""each ending is opened as this and nothing else: a playlist in disguise could name other files"""
