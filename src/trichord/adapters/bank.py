"""One base in memory, many adapters: the right one for every row, by name, and never silently none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from trichord.adapters.exclusive import exclusive
from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.lora import LowRank
from trichord.adapters.mixing import MixtureConfig, mix, mixed_identity
from trichord.adapters.rows import Rows
from trichord.adapters.saved import SETTINGS_FILE, WEIGHTS_FILE, SavedAdapter, read_adapter
from trichord.adapters.settings import BASE
from trichord.adapters.targets import plain_state
from trichord.batch import Embeddings, Features
from trichord.encoders import JointEncoder
from trichord.errors import ConfigError, DataError, RunError, nearest
from trichord.files import hash_tensors
from trichord.shapes import Tensor


class AdapterBank:
    """Adapters over one joint encoder.

    Threads may share it: each of its methods, and a block of `using`, waits until no other thread is in one. Calls of
    the encoder itself outside `using` are not guarded.

    Args:
        encoder: the base; its layers are wrapped in place when the first adapter comes, its weights stay what they are.
        base: hash of its weights.
        preprocessing: modality name -> hash of the settings of its encoder, compared with what an adapter was learnt
            with; None where the caller has no settings to compare.
    """

    def __init__(self, encoder: JointEncoder, base: str, preprocessing: Mapping[str, str] | None = None) -> None:
        self.encoder, self.base, self.preprocessing = encoder, base, preprocessing
        self._low_rank = LowRank(encoder)
        self._identities: dict[str, AdapterIdentity] = {}
        self._clean: dict[str, Tensor] = {}
        self._merged: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the adapters, in the order they came; the base is none of them."""
        return tuple(self._identities)

    @property
    def identities(self) -> dict[str, AdapterIdentity]:
        """Name -> identity of every adapter."""
        return dict(self._identities)

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Hold it where adapters must stay what they are over several calls; other threads wait meanwhile."""
        return self._low_rank.lock

    @property
    def merged(self) -> str | None:
        """The adapter that is merged into the weights, if any."""
        return self._merged

    def require(self, *names: str) -> None:
        """Raise `ConfigError` for a name that is neither `BASE` nor loaded."""
        for name in names:
            if name != BASE and name not in self._identities:
                known = (BASE, *self.names)
                raise ConfigError(f"no adapter named {name!r} is loaded; {nearest(name, known)}, {BASE!r} is the base")

    def identity(self, name: str) -> AdapterIdentity:
        """Return what an adapter is of; raise `ConfigError` for a name that is not loaded (the base is no adapter)."""
        if name not in self._identities:
            raise ConfigError(f"no adapter named {name!r} is loaded; {nearest(name, self.names or ('(none)',))}")
        return self._identities[name]

    def sides(self, name: str) -> tuple[str, ...]:
        """Return the modalities whose vectors change under an adapter; none for `BASE`."""
        return () if name == BASE else self.identity(name).sides

    def load(self, folder: str | Path, name: str | None = None) -> str:
        """Load an adapter from its folder and return the name it goes by.

        Args:
            folder: made by `trichord adapt`.
            name: another name than its own.

        Raises:
            RunError: it belongs to another base, does not fit this one, or is not what its identity says.
            ConfigError: the name is taken.
        """
        saved, identity = read_adapter(Path(folder))
        return self.add(saved, identity, name, str(folder))

    @exclusive
    def add(self, saved: SavedAdapter, identity: AdapterIdentity, name: str | None = None, origin: str = "") -> str:
        """Add an adapter and return the name it goes by; see `load`."""
        name, origin = name or identity.name, origin or identity.name
        if name == BASE or name in self._identities:
            raise ConfigError(f"{origin}: the name {name!r} is taken; give the adapter another")
        self._check_belongs(identity, origin)
        self._check_unmerged()
        self._check_layers(identity, self._low_rank.check(saved, origin).layers, origin)
        if saved.hash != identity.weights:
            raise RunError(
                f"{origin}: {WEIGHTS_FILE} or {SETTINGS_FILE} is not what was saved (hash {saved.hash}, the identity "
                f"says {identity.weights}); restore the files, or learn the adapter again"
            )
        self._low_rank.attach_saved(name, saved, origin)
        self._identities[name] = identity
        return name

    @exclusive
    def remove(self, name: str) -> None:
        """Take an adapter out of memory; raise `ConfigError` while it is used."""
        self.identity(name)
        self._check_unmerged()
        self._low_rank.detach(name)
        del self._identities[name]

    @exclusive
    def saved(self, name: str) -> SavedAdapter:
        """Return an adapter's own part, for writing it elsewhere."""
        self.identity(name)
        return self._low_rank.saved(name)

    @contextmanager
    def using(self, name: str) -> Iterator[JointEncoder]:
        """Let the encoder work under one adapter, or as the base if that is named, while the block runs.

        Raises:
            ConfigError: the name is not loaded, or an adapter is merged at the time.
        """
        with self.lock:
            self.require(name)
            self._check_unmerged()
            with self._low_rank.active(*(() if name == BASE else (name,))):
                yield self.encoder

    @exclusive
    def encode(
        self,
        features: Mapping[str, Features],
        batch_size: int,
        adapters: Sequence[str],
        only: Sequence[str] | None = None,
    ) -> Embeddings:
        """Encode a batch of a different adapter for every row; the frozen weights see all rows at once.

        Args:
            features: modality name -> features of the rows that hold it.
            batch_size: rows of the batch.
            adapters: for every row a name, or `BASE`.
            only: encode these modalities alone; None encodes all that `features` holds.

        Returns:
            What the encoder returns, row by row as if each had been encoded under its adapter alone.

        Raises:
            ConfigError: not one name per row, a name that is not loaded, or an encoder in training mode, which drops
                inputs at random.
            DataError: features are not of rows of the batch, or do not suit their encoder.
        """
        if self.encoder.training:
            raise ConfigError("rows are encoded in evaluation mode; call eval() on the encoder first")
        if len(adapters) != batch_size:
            raise ConfigError(f"name one adapter for each of the {batch_size} rows, or {BASE!r}; got {len(adapters)}")
        distinct = tuple(dict.fromkeys(adapters))
        self.require(*distinct)
        self._check_unmerged()
        number = {name: place for place, name in enumerate(distinct)}
        of_row = torch.tensor([number[name] for name in adapters], dtype=torch.long)
        parts: list[Embeddings] = []
        for name in features if only is None else only:
            held = features.get(name, self.encoder.encoder(name).empty_features())
            parts.append(self._encode_one(name, held, batch_size, of_row, distinct))
        return Embeddings(
            {name: vectors for part in parts for name, vectors in part.vectors.items()},
            {name: present for part in parts for name, present in part.present.items()},
            {name: target for part in parts for name, target in part.targets.items()},
        )

    def mixable(self, name: str) -> bool:
        """Whether an adapter can be a member of a mixture; one that decomposes its weights (DoRA) cannot.

        Raises:
            ConfigError: it is not loaded; the base is no adapter.
        """
        self.identity(name)
        return self._low_rank.mixable(name)

    @exclusive
    def mix(self, mixture: MixtureConfig) -> str:
        """Add an adapter made of others, for this bank's lifetime, and return its name.

        Raises:
            ConfigError: a member is not loaded or cannot be mixed, or the name is taken.
        """
        for member in mixture.members:
            self.identity(member)
        if mixture.name == BASE or mixture.name in self._identities:
            raise ConfigError(f"the name {mixture.name!r} is taken; give the mixture another")
        self._check_unmerged()
        mix(self._low_rank, mixture)
        self._identities[mixture.name] = mixed_identity(
            mixture, [self.identity(member) for member in mixture.members], self._low_rank.saved(mixture.name).hash
        )
        return mixture.name

    @exclusive
    def merge(self, name: str) -> None:
        """Merge an adapter into the weights until `unmerge`; nothing else can be used meanwhile.

        Raises:
            ConfigError: the name is not loaded, another one is merged or in use, or merged weights are not finite.
        """
        self.identity(name)
        self._check_unmerged()
        self._clean, self._merged = self._low_rank.merge(name), name

    @exclusive
    def unmerge(self) -> None:
        """Put the clean copies of the weights back, bit for bit."""
        if self._merged is None:
            raise ConfigError("no adapter is merged")
        self._low_rank.restore(self._clean)
        self._clean, self._merged = {}, None

    @exclusive
    def export(self, name: str) -> JointEncoder:
        """Return a plain copy of the encoder into whose weights an adapter is merged (`BASE`: a copy of the base)."""
        self.require(name)
        self._check_unmerged()
        copied = self._low_rank.merged(*(() if name == BASE else (name,)))
        assert isinstance(copied, JointEncoder)
        return copied

    def base_hash(self) -> str:
        """Hash the weights of the base as they lie in memory now."""
        return hash_tensors(plain_state(self.encoder))

    def _encode_one(
        self, name: str, held: Features, batch_size: int, of_row: Tensor, distinct: tuple[str, ...]
    ) -> Embeddings:
        """Encode one modality: rows sorted by adapter, so that each adapter's rows are one slice."""
        _check_rows(name, held, batch_size)
        owners = of_row[held.rows.cpu()]
        order = torch.argsort(owners, stable=True)
        counts = torch.bincount(owners, minlength=len(distinct)).tolist()
        groups, first = [], 0
        for adapter, count in zip(distinct, counts, strict=True):
            changes = adapter != BASE and name in self.sides(adapter)
            if count:
                groups.append(Rows(adapter if changes else None, first, first + count))
            first += count
        place = order.to(held.rows.device)
        lengths = None if held.lengths is None else held.lengths[place]
        # Rows in the batch ascend, as the encoder asks for; which is which is put right afterwards.
        sorted_features = Features(held.values[place], torch.arange(len(place), device=held.rows.device), lengths)
        with self._low_rank.active_rows(groups) if groups else self._low_rank.active(), torch.no_grad():
            try:
                found = self.encoder({name: sorted_features}, len(place), only=(name,))
            except DataError as error:
                row = error.row if not isinstance(error.row, int) else int(held.rows[order[error.row]])
                raise DataError(error.rule, file=error.file, row=row, remedy=error.remedy) from error
        rows = held.rows[place]

        def scattered(values: Tensor) -> Tensor:
            # Targets are as large as the features, so a pass over them counts: zeros are written only where they stay.
            whole = values.new_empty if len(rows) == batch_size else values.new_zeros
            return whole(batch_size, *values.shape[1:]).index_copy_(0, rows, values)

        return Embeddings(
            {name: scattered(found.vectors[name])},
            {name: scattered(found.present[name])},
            {name: scattered(found.targets[name])},
        )

    def _check_belongs(self, identity: AdapterIdentity, origin: str) -> None:
        if identity.base != self.base:
            raise RunError(
                f"{origin}: the adapter {identity.name} was learnt over the base {identity.base}, this one is "
                f"{self.base}; load the base it belongs to, or learn it again over this one"
            )
        if self.preprocessing is not None:
            unlike = [
                side for side in identity.sides if self.preprocessing.get(side) != identity.preprocessing.get(side)
            ]
            if unlike:
                raise RunError(
                    f"{origin}: the adapter {identity.name} was learnt with other settings of the encoder of "
                    f"{' and '.join(unlike)}; load its base as it was trained"
                )
        for side in identity.sides:
            if side not in self.encoder.modalities:
                raise RunError(
                    f"{origin}: the adapter {identity.name} changes {side}, for which this base has no encoder; load "
                    "the base it belongs to"
                )

    def _check_layers(self, identity: AdapterIdentity, layers: Sequence[str], origin: str) -> None:
        """Raise `RunError` unless an adapter changes the encoders that its identity names, and no others."""
        changed = {
            side for layer in layers for side in self.encoder.modalities if layer.startswith(f"encoders.{side}.")
        }
        if changed != set(identity.sides):
            raise RunError(
                f"{origin}: the adapter {identity.name} says it changes {sorted(identity.sides)}, and its layers are "
                f"in the encoders of {sorted(changed)}; restore the files, or learn it again"
            )

    def _check_unmerged(self) -> None:
        if self._merged is not None:
            raise ConfigError(f"the adapter {self._merged!r} is merged into the weights; unmerge it first")


def _check_rows(name: str, held: Features, batch_size: int) -> None:
    """Raise `DataError` unless there is one value for each of some rows of the batch, which ascend."""
    rows = held.rows
    ascend = not len(rows) or (int(rows[0]) >= 0 and int(rows[-1]) < batch_size and bool((rows.diff() > 0).all()))
    if len(held.values) != len(rows) or not ascend:
        raise DataError(
            f"{name}: {len(held.values)} values at the rows {rows.tolist()[:8]} of a batch of {batch_size}",
            remedy="Give one value for each row that holds the modality, in ascending order",
        )
