"""Files that cameras upload: each taken once, looked at, and handed in as a job."""
