"""Fast calorimeter simulation: from Geant4 showers to a measured conditional generative model."""

__version__ = "0.1.0"
