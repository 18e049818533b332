"""Drawn portraits on disk, in the layouts of the three public datasets."""
