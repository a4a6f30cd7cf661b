"""Shower files: layout, reading, writing, compression."""
