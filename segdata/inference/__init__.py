"""Model folders, what computes them, and predictions: shared by mining, training's evaluation and prediction."""
