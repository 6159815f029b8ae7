"""`framebus try`: one processor over a video, in one process, in order."""
