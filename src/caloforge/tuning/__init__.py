"""Hyper-parameter search: which settings of a run train the best model."""
