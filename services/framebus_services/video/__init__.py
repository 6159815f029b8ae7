"""What several services need of video files and pictures; imports no service."""
