"""What joins stages: the whole recipe, training with its gates, the loop, the ablation."""
