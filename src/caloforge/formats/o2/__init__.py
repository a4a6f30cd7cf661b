"""Text of ALICE O2's extraction."""
