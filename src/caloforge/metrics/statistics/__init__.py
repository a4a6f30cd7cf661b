"""Errors, floors and p-values: resampling and permutation of incident particles."""
