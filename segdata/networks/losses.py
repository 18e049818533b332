"""Losses on soft alpha: cross-entropy, Dice, their sum, and the weighted auxiliary heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch.nn import functional

Loss = Literal["ce+dice", "ce", "dice"]
Pool = Callable[[torch.Tensor], torch.Tensor]
"""Makes of a process's sums those of all processes, where several share a batch; gradients flow through."""


def own_sums(sums: torch.Tensor) -> torch.Tensor:
    """The sums as they are: one process has the whole batch."""
    return sums


def cross_entropy(logits: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy with a soft target, the mean over all pixels.

    Args:
        logits: (N, 1, H, W).
        alpha: (N, 1, H, W) in [0, 1]; a pixel of alpha 0.5 is least wrong at probability 0.5.

    Returns:
        A scalar, at least the target's own entropy.

    >>> round(float(cross_entropy(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1))), 4)  # ln 2
    0.6931
    """
    return functional.binary_cross_entropy_with_logits(logits, alpha)


def dice(logits: torch.Tensor, alpha: torch.Tensor, smooth: float = 1.0, pool: Pool = own_sums) -> torch.Tensor:
    """1 - (2 Σpa + s) / (Σp² + Σa² + s), over all pixels of the batch together.

    The squares make a perfect soft prediction, p = a, cost nothing, which sums without squares would not.

    A photo without a person counts by the Σp² that it adds to a batch with people in others. Where there is nobody in
    the whole batch it is Σp² / (Σp² + s): defined and 0 for the right answer, but nearly flat until few pixels are
    wrong. Cross-entropy is what teaches there.

    Args:
        logits: (N, 1, H, W).
        alpha: (N, 1, H, W) in [0, 1].
        smooth: keeps a batch without any person defined.
        pool: adds up the sums of all processes that have a part of the batch.

    Source:
        Milletari et al., "V-Net", 3DV 2016, equation for D.

    >>> round(float(dice(torch.full((1, 1, 2, 2), 40.0), torch.ones(1, 1, 2, 2))), 4)
    0.0
    """
    probability = logits.sigmoid()
    overlap, total = 2 * (probability * alpha).sum(), probability.square().sum() + alpha.square().sum()
    sums = pool(torch.stack([overlap, total])) + smooth
    return 1 - sums[0] / sums[1]


def segmentation_loss(
    outputs: tuple[torch.Tensor, ...],
    alpha: torch.Tensor,
    kind: Loss = "ce+dice",
    aux_weight: float = 1.0,
    pool: Pool = own_sums,
) -> torch.Tensor:
    """The main head's loss plus `aux_weight` times each auxiliary head's.

    Args:
        outputs: logits (N, 1, H, W) of the main head, then of each auxiliary head.
        alpha: (N, 1, H, W) in [0, 1].
        kind: cross-entropy, Dice, or their sum.
        aux_weight: 1 in the BiSeNet paper (equation 2).
        pool: as `dice` takes it.

    Raises:
        ValueError: An unknown kind.
    """
    main, *auxiliary = (_head_loss(logits.float(), alpha, kind, pool) for logits in outputs)
    return main + aux_weight * sum(auxiliary, torch.zeros_like(main))


def _head_loss(logits: torch.Tensor, alpha: torch.Tensor, kind: Loss, pool: Pool) -> torch.Tensor:
    if kind == "ce":
        return cross_entropy(logits, alpha)
    if kind == "dice":
        return dice(logits, alpha, pool=pool)
    if kind == "ce+dice":
        return cross_entropy(logits, alpha) + dice(logits, alpha, pool=pool)
    raise ValueError(f"no loss {kind!r}; there are ce+dice, ce and dice")
