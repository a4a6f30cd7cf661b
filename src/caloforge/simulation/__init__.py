"""Full simulation with Geant4: incident particles in, a shower file out."""
