"""One number per shower, named and with a unit."""
