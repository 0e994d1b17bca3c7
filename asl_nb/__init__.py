"""Isolated American Sign Language recognition from MediaPipe landmarks: a course that is also a library."""
__version__ = "0.1.0"
