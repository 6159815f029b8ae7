"""Analysers of files: one file each, the ones to copy."""

import os

from framebus_services.video.formats import MAX_PICTURE_PIXELS

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PICTURE_PIXELS))  # before any of them imports cv2
