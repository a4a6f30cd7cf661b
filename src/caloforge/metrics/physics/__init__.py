"""What an analysis would see, and how fast showers are made."""
