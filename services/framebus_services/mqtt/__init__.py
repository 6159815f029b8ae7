"""Tells an MQTT broker what happens at the cameras."""
