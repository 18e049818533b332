"""Tensors in, tensors out: BiSeNet, its backbones, checkpoints, and losses."""
