"""One side of a route for the items of a data set: every instance (each caption) a row, ready to be stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.data import Dataset
from trichord.errors import ConfigError
from trichord.evaluation.embed import Progress, embed_split
from trichord.evaluation.route import RouteConfig
from trichord.runs.model import Model
from trichord.runs.side_vectors import (
    Held,
    SideName,
    find_makers,
    names_of,
    side_vectors,
    used_modalities,
)
from trichord.runs.vectors import VectorFile
from trichord.shapes import Int


@dataclass(frozen=True)
class EncodedSplit:
    """The rows of a side, and who has none.

    Args:
        file: the vectors.
        left_out: ids of the items that hold no modality of any leg.
    """

    file: VectorFile
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Rows:
    """What the rows are: their item's place in the list, and the instance of each modality, -1 where it is lacking."""

    places: Int[np.ndarray, " rows"]
    instances: Int[np.ndarray, " rows"]
    of: dict[str, Int[np.ndarray, " rows"]]


def encode_split(
    model: Model,
    dataset: Dataset,
    items: Int[np.ndarray, " items"],
    route: RouteConfig,
    side: SideName,
    *,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> EncodedSplit:
    """Encode one side of a route.

    A modality of several instances per item (captions) gives one row per instance, joined with the only instances of
    the side's other modalities.

    Args:
        model: the base and its adapters.
        dataset: where the items are.
        items: rows of the items.
        route: checked against the model.
        side: which side.
        batch_size: instances encoded at once.
        progress: called with (instances done, instances in all) of each adapter in turn.

    Raises:
        ConfigError: the data lack a modality, two modalities of the side have several instances, or the route has no
            vectors (see `side_vectors`).
        ProtocolError: none of the items holds a modality, or a vector is zero or not finite.
    """
    for name in names_of(route, side):
        dataset.stored(name)
    counts = {name: dataset.instances(name).count[items] for name in used_modalities(route, side)}
    present = np.any([count > 0 for count in counts.values()], axis=0)
    rows, legs = _lay_rows(counts), find_makers(route, side, model.bank)
    encoded: dict[tuple[str, str], Held] = {}
    for maker in dict.fromkeys(maker for leg in legs for maker in leg.values()):
        names = list(dict.fromkeys(name for leg in legs for name in leg if leg[name] == maker))
        with model.bank.using(maker) as encoder:
            tables = embed_split(encoder, dataset, items, modalities=names, batch_size=batch_size, progress=progress)
        for name in names:
            encoded[maker, name] = _gather(tables[name].vectors, counts[name], rows.places, rows.of[name])
    vectors = side_vectors(route, side, [{name: encoded[leg[name], name] for name in leg} for leg in legs])
    ids = tuple(dataset.ids[item] for item in items[rows.places])
    file = VectorFile(vectors, ids, rows.instances, model.stamp(route, side))
    return EncodedSplit(file, tuple(dataset.ids[item] for item in items[~present]))


def _gather(vectors: np.ndarray, count: np.ndarray, places: np.ndarray, instances: np.ndarray) -> Held:
    """Give each row its vector of a modality whose instances lie item by item."""
    first, held = np.cumsum(count) - count, instances >= 0
    chosen = np.zeros((len(held), vectors.shape[1]), np.float32)
    chosen[held] = vectors[first[places[held]] + instances[held]]
    return Held(chosen, held)


def _lay_rows(counts: dict[str, Int[np.ndarray, " items"]]) -> _Rows:
    several = [name for name, count in counts.items() if (count > 1).any()]
    if len(several) > 1:
        raise ConfigError(
            f"{' and '.join(several)} both have several instances per item, so a side of both is not one list of rows; "
            "encode a side of one of them"
        )
    per_item = np.max(list(counts.values()), axis=0)
    places = np.repeat(np.arange(len(per_item)), per_item)
    instances = np.arange(len(places)) - np.repeat(np.cumsum(per_item) - per_item, per_item)
    of = {name: np.where(instances < count[places], instances, count[places] - 1) for name, count in counts.items()}
    return _Rows(places, instances, of)
