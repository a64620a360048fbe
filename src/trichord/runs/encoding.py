"""Carrying out a request to encode: entries in batches, each under the adapter that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from trichord.adapters.bank import AdapterBank
from trichord.errors import ConfigError
from trichord.evaluation.route import RouteConfig
from trichord.runs.inputs import checked_entry, num_rows, stack_entries
from trichord.runs.side_vectors import (
    Held,
    SideName,
    find_makers,
    names_of,
    require_scores,
    side_vectors,
    used_modalities,
)
from trichord.shapes import Float, Tensor

Adapters = str | Sequence[str]


class Encoding:
    """One call of `Model.encode`.

    Args:
        bank: the encoder and its adapters.
        batch_size: entries encoded at once.
        show_bar: show one bar per modality and adapter.
    """

    def __init__(self, bank: AdapterBank, batch_size: int, show_bar: bool) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size counts entries and is at least 1, got {batch_size}")
        self.bank, self.batch_size, self.show_bar = bank, batch_size, show_bar
        self.device = next(bank.encoder.parameters()).device

    def rows(self, name: str, entries: Mapping[int, Any], adapters: Sequence[str]) -> Float[Tensor, "rows dim"]:
        """Encode entries of a modality, each under its adapter.

        Args:
            name: the modality.
            entries: number of the entry, for messages -> its features.
            adapters: for every entry a name, or `BASE`.
        """
        self.bank.require(*dict.fromkeys(adapters))
        encoder = self.bank.encoder.encoder(name)
        checked = [checked_entry(name, number, entry, encoder) for number, entry in entries.items()]
        encoded = [torch.zeros(0, self.bank.encoder.dim, device=self.device)]
        for begin in tqdm(range(0, len(checked), self.batch_size), desc=name, disable=not self.show_bar):
            features = stack_entries(checked[begin : begin + self.batch_size], encoder).to(self.device)
            of_rows, size = adapters[begin : begin + self.batch_size], len(features.rows)
            if len(set(of_rows)) > 1:
                found = self.bank.encode({name: features}, size, of_rows)
            else:
                with self.bank.using(of_rows[0]) as joint, torch.no_grad():
                    found = joint({name: features}, size, only=(name,))
            encoded.append(found.vectors[name])
        return torch.cat(encoded)

    def held(self, name: str, entries: Sequence[Any], adapters: Sequence[str]) -> Held:
        """Encode the entries that are not None, and leave zeros for the others."""
        held = np.array([entry is not None for entry in entries], dtype=bool)
        vectors = np.zeros((len(entries), self.bank.encoder.dim), np.float32)
        chosen = {row: entry for row, entry in enumerate(entries) if entry is not None}
        vectors[held] = self.rows(name, chosen, [adapters[row] for row in chosen]).cpu().numpy()
        return Held(vectors, held)

    def side(self, columns: Mapping[str, Sequence[Any]], route: RouteConfig, side: SideName) -> np.ndarray:
        """Encode one side of a route; the k-th entries of all modalities are one item, None where it lacks one.

        A modality that an adapter leaves alone is encoded once, under the base.

        Raises:
            ConfigError: a modality of the side is missing, one is there that is not of it, or the route fuses ranks.
        """
        require_scores(route)
        wanted = names_of(route, side)
        strange = [name for name in columns if name not in wanted]
        lacking = [name for name in used_modalities(route, side) if name not in columns]
        if strange or lacking:
            what = f"got {strange} besides" if strange else f"{lacking} is missing"
            raise ConfigError(f"the {side} side of the route is {list(wanted)}, {what}; give entries of each of them")
        rows = num_rows(columns)
        legs = find_makers(route, side, self.bank)
        distinct = dict.fromkeys((maker, name) for leg in legs for name, maker in leg.items())
        encoded = {(maker, name): self.held(name, columns[name], [maker] * rows) for maker, name in distinct}
        return side_vectors(route, side, [{name: encoded[leg[name], name] for name in leg} for leg in legs])


def one_each(adapters: Adapters, rows: int) -> Sequence[str]:
    """Return one adapter per entry; raise `ConfigError` where a sequence has another length."""
    if isinstance(adapters, str):
        return [adapters] * rows
    if len(adapters) != rows:
        raise ConfigError(f"name one adapter for each of the {rows} entries, or one for all; got {len(adapters)}")
    return list(adapters)
