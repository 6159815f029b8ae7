"""framebus: camera video as small processes that talk over ZeroMQ."""
