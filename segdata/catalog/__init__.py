"""The catalog: Delta tables of samples, scores, selections, verdicts, models and runs, and what they can be asked."""
