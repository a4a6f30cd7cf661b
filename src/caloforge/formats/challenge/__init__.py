"""Files of the CaloChallenge and the XML of its binnings."""
