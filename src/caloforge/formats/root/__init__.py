"""Flat trees of ROOT, read and written with uproot."""
