"""Object detection with ONNX models, for the services that look at pictures. Imports no service."""
