"""Predictions for anybody's photos, as files."""
