"""Which branch or column is which: names, units and cells of other programs."""
