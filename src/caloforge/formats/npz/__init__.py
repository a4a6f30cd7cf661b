"""NumPy files: the npz of ALICE and arrays alike."""
