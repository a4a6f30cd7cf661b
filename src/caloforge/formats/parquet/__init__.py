"""Parquet: one row a shower."""
