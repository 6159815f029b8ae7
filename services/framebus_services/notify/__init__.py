"""Tells people when somebody comes, and when a camera goes away: jobs of type `notify`."""
