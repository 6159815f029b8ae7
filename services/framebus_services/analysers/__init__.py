"""Analysers of files: one file each, the ones to copy."""

import os

# cv2 reads this when it is imported: a bomb of pixels is refused unread.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(50_000_000))
