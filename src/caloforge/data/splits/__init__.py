"""Which showers are used, and on which side: selections, splits, folds, lists."""
