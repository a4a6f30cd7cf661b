"""Fast calorimeter simulation: Geant4 showers in, a measured generative model out."""

__version__ = "0.1.0"
