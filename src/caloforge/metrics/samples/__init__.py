"""Which showers are compared: particles paired, cut applied, observables measured."""
