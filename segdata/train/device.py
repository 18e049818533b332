"""Where and in which precision a training computes."""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING, Literal

from segdata.errors import UsageError
from segdata.train.recipe import Precision, TrainRecipe

if TYPE_CHECKING:
    from lightning.fabric import Fabric


_FABRIC: dict[str, Literal["bf16-mixed", "16-mixed", "32-true"]] = {
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
    "fp32": "32-true",
}


def launch(recipe: TrainRecipe) -> Fabric:
    """Lightning Fabric on the CPU, on one GPU, or as one of `torchrun`'s processes (DDP).

    Raises:
        UsageError: A GPU is asked for and there is none.
    """
    import torch

    accelerator = recipe.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise UsageError("train.accelerator: cuda is asked for and there is no GPU; say auto or cpu")
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return _fabric(accelerator, processes, resolve_precision(recipe.precision, accelerator))


def resolve_precision(precision: Precision, accelerator: str) -> str:
    """`bf16`, `fp16` or `fp32`. With `auto`, bf16 where the hardware multiplies in it: elsewhere it is slow.

    A GPU without bf16 gets fp16, with its loss scaled so that small gradients do not vanish.

    Raises:
        UsageError: fp16 is asked for on a CPU.
    """
    import torch

    if precision == "fp16" and accelerator != "cuda":
        raise UsageError("train.precision: fp16 is for GPUs; say auto, bf16 or fp32")
    if precision != "auto":
        return precision
    if accelerator == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if _cpu_computes_bf16() else "fp32"


def _cpu_computes_bf16() -> bool:
    """Whether this CPU has instructions for bf16 dot products (AVX512-BF16, AMX); not known counts as no."""
    import torch

    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)


def _fabric(accelerator: str, processes: int, precision: str) -> Fabric:
    from lightning.fabric import Fabric

    for name in ("lightning.fabric", "lightning.pytorch"):  # which of the two speaks depends on what was imported last
        logging.getLogger(name).setLevel(logging.WARNING)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(processes)))
    with warnings.catch_warnings():
        # Fabric advises about srun, tensor cores and the like; none of it is about this training
        warnings.simplefilter("ignore")
        fabric = Fabric(
            accelerator=accelerator,
            devices=local,
            num_nodes=max(1, processes // local),
            strategy="ddp" if processes > 1 else "auto",
            precision=_FABRIC[precision],
        )
        fabric.launch()
    return fabric
