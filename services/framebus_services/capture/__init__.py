"""One camera: connects, records without re-encoding, and puts pictures into the ring."""
