"""`[train]` of a recipe: what may be said about a training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Loss = Literal["ce+dice", "ce", "dice"]
Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["poly", "constant"]
Precision = Literal["auto", "bf16", "fp16", "fp32"]
Aspect = Literal["stretch", "keep"]
Upsample = Literal["linear", "guided"]
Sampling = Literal["uniform", "balanced", "hard"]
Fusion = Literal["none", "rendered", "online"]
AugmentAt = Literal["network", "image"]


class TrainRecipe(BaseModel):
    """How a network is trained. Everything here except `accelerator` and `cache_mib` decides the weights.

    Attributes:
        epochs: passes over the training samples.
        max_steps: stop after so many optimizer steps, in the middle of an epoch if need be; None for no limit.
            Two arms of a comparison get the same number here, so that neither learns for longer.
        batch_size: samples a step, over all processes together; a small training set uses what it has.
        accumulate: compute a step's batch in so many parts, for networks whose whole batch does not fit into memory.
            Batch norm then sees the parts, not the batch.
        size: height and width that the network is trained at and used at; None is the spec's `input_hw`.
        aspect: `stretch` distorts photos to that size, `keep` fits them into it with bars; None is the spec's.
        flip_average: average predictions with those of the mirrored photo, at twice the cost; None is the spec's.
        upsample: how a prediction comes to the photo's own size: `linear`, or `guided` by the photo's edges, for
            4 ms more a photo of 800x600; None is the spec's.
        loss: cross-entropy plus Dice on the soft alpha, or one of them alone.
        aux_weight: weight of each auxiliary head's loss, against 1 for the main one.
        optimizer: AdamW, or SGD with momentum 0.9 as in the BiSeNet paper.
        learning_rate: its highest value, after the warm-up.
        weight_decay: on convolution weights; norms and biases have none.
        schedule: `poly` falls as (1 - step / steps) ** poly_power, `constant` stays.
        poly_power: 0.9 in the BiSeNet paper (section 4.1).
        warmup_fraction: this share of the steps rises linearly from near zero.
        clip_norm: gradients longer than this are shortened to it; 0 for off.
        ema_decay: keep an exponential moving average of the weights with this decay a step, and judge and write that
            instead of the weights themselves; 0 for off.
        sampling: `uniform` shows each sample once an epoch; `balanced` draws each dataset as often as the others;
            `hard` draws by the samples' weights, which then do not multiply the loss as well.
        augment: flips, blur, colour, shift and rotation on or off.
        crop: cut up to this share off each side at random, and enlarge what is left; 0 for off.
        augment_at: `network` resizes once, keeps the small arrays in memory and augments those; `image` augments
            the photo at its own size and resizes afterwards, as the reference did, and decodes at every fetch.
        negatives: this share of the fetches is a photo without a person instead of a portrait: a background of the
            catalog, cut as fusion cuts them, and alpha is 0 all over. 0 for none; none as well where the catalog has
            no backgrounds. A network that has only ever seen portraits sees people in photos that have none.
        fusion: `online` lays portraits over new backgrounds while training, `rendered` trains on composites that
            were rendered before, `none` on neither.
        val_fraction: share of the training samples that is cut off as val, to within one group.
        patience: stop after so many epochs without a better val mIoU; 0 for never.
        precision: `auto` is bf16 autocast where the hardware computes in it; else fp16 on a GPU, and fp32 on a CPU.
        accelerator: `auto` takes a GPU if there is one.
        licences: those that may be trained on, as names or patterns such as `CC BY*`, without regard to case; samples
            of others, or of none that is stated, are left out, and composites with such a parent. Empty allows all.
        cache_mib: memory for decoded samples at network size; what doesn't fit is decoded at every fetch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=60, ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=2)
    accumulate: int = Field(default=1, ge=1)
    size: tuple[int, int] | None = None
    aspect: Aspect | None = None
    flip_average: bool | None = None
    upsample: Upsample | None = None
    loss: Loss = "ce+dice"
    aux_weight: float = Field(default=1.0, ge=0)
    optimizer: Optimizer = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    schedule: Schedule = "poly"
    poly_power: float = Field(default=0.9, gt=0)
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1)
    clip_norm: float = Field(default=0.0, ge=0)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    sampling: Sampling = "uniform"
    augment: bool = True
    crop: float = Field(default=0.0, ge=0, lt=0.5)
    augment_at: AugmentAt = "network"
    negatives: float = Field(default=0.05, ge=0, lt=1)
    fusion: Fusion = "none"
    val_fraction: float = Field(default=0.1, ge=0, lt=1)
    patience: int = Field(default=0, ge=0)
    precision: Precision = "auto"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    licences: tuple[str, ...] = ()
    cache_mib: int = Field(default=2048, ge=0)

    @field_validator("size")
    @classmethod
    def _can_be_computed(cls, size: tuple[int, int] | None) -> tuple[int, int] | None:
        if size is not None and not (min(size) >= 32 and max(size) <= 8192):
            raise ValueError("height and width from 32 to 8192 pixels, such as [384, 288]")
        return size
