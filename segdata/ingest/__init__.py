"""Bring a catalog up to date with dataset trees: one reader per format finds pairs, workers measure them."""
