"""Repeated showers of one incident particle."""
