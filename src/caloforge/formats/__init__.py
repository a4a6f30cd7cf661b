"""Showers in the files of other programs: read, written, and turned into shower files."""
