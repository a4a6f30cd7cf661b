"""Point clouds of showerdata."""
