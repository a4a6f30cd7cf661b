"""One observable at a time."""
