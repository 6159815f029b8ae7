"""The launcher of framebus: starts the process group, keeps it alive, and gives it a command line."""
