"""Batches for training, from memory or from files larger than it."""
