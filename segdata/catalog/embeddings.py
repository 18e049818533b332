"""What a network sees in a picture as a whole, by the hash of the picture's bytes: so that each is looked at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog

Shown = tuple[str, str | None]
"""The hash of a picture's bytes, and that of the background it is laid over; None where it is looked at as it is."""
Embedding = NDArray[np.uint8]


def embeddings_of(catalog: Catalog, network: str, wanted: Iterable[Shown]) -> dict[Shown, Embedding]:
    """Those of the wanted embeddings that the catalog has.

    Args:
        catalog: whose table `embeddings` is read.
        network: names the network, and the way pictures are shown to it.
        wanted: pictures.

    Returns:
        (C,) uint8 of each.
    """
    rows = catalog.read("embeddings", where=f"network = '{network}'")
    names = set(wanted)
    pictures = sorted({name for name, _ in names})
    rows = rows.filter(pc.is_in(rows["image_sha256"], value_set=pa.array(pictures, pa.string())))
    found = zip(*(rows[name].to_pylist() for name in ("image_sha256", "over_sha256", "features")), strict=True)
    return {(image, over): np.frombuffer(data, np.uint8) for image, over, data in found if (image, over) in names}


def keep_embeddings(catalog: Catalog, network: str, found: Mapping[Shown, Embedding], run_id: str) -> None:
    """Append embeddings in one commit."""
    rows: list[dict[str, object]] = [
        {"image_sha256": image, "over_sha256": over, "network": network, "features": one.tobytes(), "run_id": run_id}
        for (image, over), one in found.items()
    ]
    catalog.append("embeddings", rows_to_table("embeddings", rows))
