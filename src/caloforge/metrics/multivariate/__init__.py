"""All observables, or all cells, at once."""
