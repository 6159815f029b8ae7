"""Jobs of type `transcript`: an example of a job type that is not part of framebus."""
