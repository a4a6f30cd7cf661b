"""Training: Lightning runs the phases of any model; the result is a bundle."""
