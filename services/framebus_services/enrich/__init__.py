"""The service that looks at each frame: a motion gate, then processors."""
