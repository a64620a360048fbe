"""Low-rank matrices in the layers of a module, through PEFT; the only file that imports it.

PEFT wraps a layer in place: the layer's weight moves to `base_layer`, and matrices of any number of adapters stand
beside it. What we add: activation in time that does not depend on how many adapters there are (PEFT's own loops over
all of them), batches of a different adapter for every row that pass the frozen weights once, names of weights as they
were before, and errors before anything is changed. It is imported only once matrices are attached: it takes seconds
to import, and most commands attach none.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import Any

import torch
from torch import nn

from trichord.adapters.exclusive import exclusive
from trichord.adapters.rows import Rows, add_by_rows, check_consecutive
from trichord.adapters.saved import Description, SavedAdapter, check_tensors, describe
from trichord.adapters.settings import LowRankConfig
from trichord.adapters.targets import (
    OWN,
    find_layers,
    find_targets,
    matrix_shapes,
    own_tensors,
    plain_state,
    unlike_matrices,
)
from trichord.errors import ConfigError, RunError, nearest
from trichord.randomness import derive_seed
from trichord.shapes import Float, Tensor

__all__ = ["Factors", "LowRank", "Rows", "find_targets", "magnitudes", "matrices_b", "own_tensors", "plain_state"]

INITIAL: Mapping[str, bool | str] = {"kaiming": True}
SAVED_PREFIX = "base_model.model."
START = " at the start"
"""Ends the name under which PEFT holds what an adapter took out of the weights; see `LowRank.attach`."""
_UNUSABLE = nn.ModuleDict()


@dataclass(frozen=True)
class Factors:
    """An adapter's change of one layer's weight, left @ right, the kernel of a convolution flattened.

    Args:
        left: (outputs, rank), the scale included.
        right: (rank, inputs).
    """

    left: Float[Tensor, "outputs rank"]
    right: Float[Tensor, "rank inputs"]


def matrices_b(module: nn.Module) -> tuple[str, ...]:
    """Return the names of the parameters that are the B of some adapter."""
    return tuple(name for name, _ in module.named_parameters() if ".lora_B." in name)


def magnitudes(module: nn.Module) -> tuple[str, ...]:
    """Return the names of the parameters that are the lengths of an output's weights, which DoRA learns."""
    return tuple(name for name, _ in module.named_parameters() if ".lora_magnitude_vector." in name)


class LowRank:
    """The low-rank matrices in a module.

    Which adapters are active is written in the layers, and so there is one answer for all threads: blocks of `active`
    and `active_rows` exclude each other between threads, and changes wait for them. Calls of the module itself outside
    such a block are not guarded: in several threads, name the base as `active()`.

    Args:
        module: changed in place once the first adapter is attached; until then it is left alone. Its weights are never
            changed but by `merge`.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._tuner: Any = None  # A peft.LoraModel once an adapter is attached.
        self._layers: tuple[Any, ...] = ()
        self._active: tuple[str, ...] = ()
        self.lock = RLock()
        """Held as long as adapters are active or matrices change; one thread may take it again within."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attached adapters."""
        return tuple(name for name in self._held if not name.endswith(START))

    @property
    def layers(self) -> tuple[Any, ...]:
        """Layers that hold matrices of some adapter."""
        return self._layers

    def require(self, *names: str) -> None:
        """Raise `ConfigError` for a name that is not attached."""
        for name in names:
            if name not in self._held or name.endswith(START):
                raise ConfigError(f"no adapter named {name!r} is loaded; {nearest(name, self.names or ('(none)',))}")

    def plan(self, config: LowRankConfig, within: Sequence[str] = ("",)) -> dict[str, nn.Module]:
        """Return the full name -> layer of all that `attach` would give matrices; it changes nothing.

        Only kinds and shapes of layers are looked at, so that the module may lie on the meta device.

        Raises:
            ConfigError: there is no such layer, or one that cannot have such matrices.
        """
        targets = find_targets(self.module, config.targets, within)
        layers = {target: layer for target, layer in find_layers(self.module).items() if target in targets}
        for target, layer in layers.items():
            if unlike := unlike_matrices(layer):
                raise ConfigError(
                    f"{target} cannot have matrices: {unlike}; leave it out of targets {config.targets!r}"
                )
            if config.initial not in ("kaiming", "gaussian") and not isinstance(layer, nn.Linear):
                raise ConfigError(
                    f"initial={config.initial!r} is for linear layers, {target} is a convolution; start from kaiming"
                )
            smaller = min(layer.get_parameter("weight").shape)
            if config.starts_from_weights and config.rank > smaller:
                raise ConfigError(
                    f"initial={config.initial!r} takes {config.rank} directions out of {target}, which has {smaller}; "
                    "lower the rank"
                )
        return layers

    @exclusive
    def attach(self, name: str, config: LowRankConfig, within: Sequence[str] = ("",), seed: int = 0) -> None:
        """Put the matrices of one more adapter beside the weights; what is active stays active.

        One that starts from the weights (PiSSA, OLoRA) takes s B0 A0 out of them. We hold this apart, so that others
        find the weights W as they are: y = (W - s B0 A0) x + s B A x, with the first product in two.

        Args:
            name: what it is called; no dots.
            config: its matrices.
            within: names of the submodules whose layers are changed.
            seed: seed of its random start; the name takes part, so adapters of one seed differ.

        Raises:
            ConfigError: the name is taken or unusable, or there is no such layer.
        """
        self._check_name(name)
        layers = self.plan(config, within)
        targets = tuple(layers)
        for target, layer in layers.items():
            weight = layer.get_parameter("weight").detach()
            if config.weight_decomposed and not bool(weight.flatten(1).any(dim=1).all()):
                raise ConfigError(
                    f"{target} has an output whose weights are all zero: they have no direction, which "
                    "weight_decomposed (DoRA) divides by"
                )
        settings = _lora_config(config)
        if not config.starts_from_weights:
            self._attach(name, settings, targets, seed)
            return
        weights = [layer.get_parameter("weight") for layer in layers.values()]
        clean = [(weight.data, weight.detach().clone()) for weight in weights]
        self._attach(name, settings, targets, seed)
        for weight, (storage, values) in zip(weights, clean, strict=True):
            weight.data = storage.copy_(values)
        self._attach_start(name, config, targets)

    @exclusive
    def attach_saved(self, name: str, saved: SavedAdapter, origin: str) -> None:
        """Attach an adapter that was saved.

        Raises:
            ConfigError: the name is taken or unusable.
            RunError: it does not fit this module: layers that are not there, tensors missing, left over or of another
                shape, or settings that ask for more than low-rank matrices. Nothing is changed then.
        """
        self._check_name(name)
        found = self.check(saved, origin)
        settings = LowRankConfig(
            rank=found.rank,
            alpha=found.alpha,
            dropout=found.dropout,
            rank_stabilized=found.rank_stabilized,
            weight_decomposed=found.weight_decomposed,
        )
        self._attach(name, _lora_config(settings), found.layers, 0)
        self._fill(name, saved.tensors)

    def check(self, saved: SavedAdapter, origin: str) -> Description:
        """Return what a saved adapter says of itself; raise `RunError` as `attach_saved` does."""
        found = describe(saved.settings, origin)
        layers = find_layers(self.module)
        strangers = [layer for layer in found.layers if layer not in layers]
        if strangers:
            raise RunError(
                f"{origin}: the adapter changes the layer {strangers[0]} ({len(strangers)} such), which this base does "
                "not have; it was learnt over another base"
            )
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in found.layers:
            if unlike := unlike_matrices(layers[layer]):
                raise RunError(f"{origin}: the layer {layer} cannot have matrices: {unlike}; learn the adapter again")
            shapes |= matrix_shapes(SAVED_PREFIX + layer, layers[layer], found.rank, found.weight_decomposed)
        check_tensors(saved.tensors, shapes, origin)
        return found

    @exclusive
    def attach_factors(self, name: str, changes: Mapping[str, Factors]) -> None:
        """Attach an adapter of scale 1 that makes given changes.

        Args:
            name: what it is called; no dots.
            changes: name of a layer -> its change; those of lower rank than others are filled up with zeros.

        Raises:
            ConfigError: the name is taken or unusable.
        """
        self._check_name(name)
        rank = max(len(change.right) for change in changes.values())
        layers = find_layers(self.module)
        tensors: dict[str, Tensor] = {}
        for layer, change in changes.items():
            key_a, key_b = shapes = matrix_shapes(SAVED_PREFIX + layer, layers[layer], rank, decomposed=False)
            missing = rank - len(change.right)
            tensors[key_a] = nn.functional.pad(change.right, (0, 0, 0, missing)).reshape(shapes[key_a])
            tensors[key_b] = nn.functional.pad(change.left, (0, missing)).reshape(shapes[key_b])
        self._attach(name, _lora_config(LowRankConfig(rank=rank, alpha=float(rank))), tuple(changes), 0)
        self._fill(name, tensors)

    @exclusive
    def detach(self, name: str) -> None:
        """Take an adapter's matrices away; raise `ConfigError` while it is active."""
        self.require(name)
        assert self._tuner is not None
        if name in self._active:
            raise ConfigError(f"the adapter {name!r} is in use; leave the block that uses it first")
        learning = {parameter: parameter.requires_grad for parameter in self.module.parameters()}
        for own in self._with_starts([name]):
            self._tuner.delete_adapter(own)
        self._settle(learning)

    def factors(self, name: str) -> dict[str, Factors]:
        """Return name of a layer -> the change that an adapter makes to its weight, in float32 at least.

        Raises:
            ConfigError: it is not attached, or decomposes the weights (DoRA): its change is no product of matrices.
        """
        if not self.mixable(name):
            raise ConfigError(f"{name!r} decomposes its weights (DoRA) and cannot be mixed; fuse scores instead")
        changes: dict[str, Factors] = {}
        for key, layer in self._named_layers(name):
            left, right = [], []
            for own in self._with_starts([name]):
                matrix_a, matrix_b = (m[own].weight.detach().flatten(1) for m in (layer.lora_A, layer.lora_B))
                wide = torch.promote_types(matrix_a.dtype, torch.float32)
                left.append(matrix_b.to(wide) * layer.scaling[own])
                right.append(matrix_a.to(wide))
            changes[key] = Factors(torch.cat(left, dim=1), torch.cat(right))
        return changes

    def mixable(self, name: str) -> bool:
        """Whether an adapter's change is a product of matrices, which `factors` gives: not so where DoRA is learnt."""
        self.require(name)
        return not self._settings(name).use_dora

    def learn(self, names: Collection[str]) -> None:
        """Let the matrices of the named adapters learn and freeze those of all others; other weights are left alone."""
        self.require(*names)
        for key, parameter in self.module.named_parameters():
            found = OWN.search(key)
            if found is not None:
                parameter.requires_grad_(found[2] in names)

    @contextmanager
    def active(self, *names: str) -> Iterator[None]:
        """Let rows pass through the named adapters (their changes add up) while the block runs; afterwards as before.

        Its time does not depend on how many adapters are attached. Other threads wait at blocks of their own until it
        ends.

        Raises:
            ConfigError: a name is not attached.
        """
        with self.lock:
            self.require(*names)
            before, self._active = self._active, names
            try:
                self._activate()
                yield
            finally:
                self._active = before
                self._activate()

    @contextmanager
    def active_rows(self, rows: Sequence[Rows]) -> Iterator[None]:
        """Let rows of a batch pass through adapters of their own while the block runs.

        The frozen weights work on all rows at once, and an adapter's matrices on its rows only. Every layer's input
        must have the rows of the batch as its first axis.

        Args:
            rows: consecutive, from row 0 to the last row of the batch.

        Raises:
            ConfigError: a name is not attached, rows are not consecutive, or a layer sees another number of them.
        """
        check_consecutive(rows)
        with self.active():
            self.require(*{group.adapter for group in rows if group.adapter is not None})
            parts = [
                (own, slice(group.first, group.last))
                for group in rows
                if group.adapter is not None
                for own in self._with_starts([group.adapter])
            ]
            hooks = [layer.register_forward_hook(partial(add_by_rows, parts, rows[-1].last)) for layer in self._layers]
            try:
                yield
            finally:
                for hook in hooks:
                    hook.remove()

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return an adapter's tensors under the names they are saved by; they share its memory."""
        self.require(name)
        return self._stored(name)

    @exclusive
    def saved(self, name: str) -> SavedAdapter:
        """Return copies of an adapter's tensors, and its settings."""
        tensors = {key: tensor.clone() for key, tensor in self.tensors(name).items()}
        settings = {key: _plain(value) for key, value in self._settings(name).to_dict().items()}
        return SavedAdapter({**settings, "inference_mode": True}, tensors)

    @exclusive
    def merged(self, *names: str) -> nn.Module:
        """Return a copy of the module without adapters, into whose weights the named ones are merged, if any."""
        self.require(*names)
        if self._tuner is None:
            return copy.deepcopy(self.module)
        twin = copy.deepcopy(self._tuner)
        if not names:
            plain: nn.Module = twin.unload()
            return plain
        merged: nn.Module = twin.merge_and_unload(safe_merge=True, adapter_names=self._with_starts(names))
        return merged

    @exclusive
    def merge(self, name: str) -> dict[str, Tensor]:
        """Add an adapter's change to the weights, in place, and return copies of these as they were.

        Whoever merged puts the copies back; subtracting the change again would leave rounding behind.
        """
        self.require(name)
        if self._active:
            raise ConfigError(f"{list(self._active)} are in use; leave the block that uses them before merging")
        clean: dict[str, Tensor] = {}
        for key, layer in self._named_layers(name):
            weight = layer.get_parameter("base_layer.weight")
            clean[f"{key}.base_layer.weight"] = weight.detach().clone()
            try:
                layer.merge(safe_merge=True, adapter_names=self._with_starts([name]))
            except ValueError as error:
                self.restore(clean)
                raise ConfigError(f"the adapter {name!r} cannot be merged into {key}: {error}") from error
            finally:
                layer.merged_adapters.clear()
        return clean

    @exclusive
    def restore(self, clean: Mapping[str, Tensor]) -> None:
        """Put weights that `merge` returned back, bit for bit."""
        with torch.no_grad():
            for key, values in clean.items():
                self.module.get_parameter(key).copy_(values)

    def dropouts(self) -> Iterator[nn.Module]:
        """Yield the dropout of every adapter in every layer."""
        for layer in self._layers:
            yield from layer.lora_dropout.values()

    @property
    def _held(self) -> Mapping[str, Any]:
        """Names as PEFT knows them -> its settings."""
        return {} if self._tuner is None else self._tuner.peft_config

    def _settings(self, name: str) -> Any:
        """Return the peft.LoraConfig of an adapter."""
        return self._held[name]

    def _with_starts(self, names: Sequence[str]) -> list[str]:
        """Return the names, each followed by what the adapter took out of the weights, if anything."""
        held = self._held
        return [own for name in names for own in (name, name + START) if own in held]

    def _named_layers(self, name: str) -> Iterator[tuple[str, Any]]:
        for key, layer in self.module.named_modules():
            if _holds_matrices(layer) and name in layer.lora_A:
                yield key, layer

    def _check_name(self, name: str) -> None:
        taken = name in self._held
        if taken or not name or "." in name or name.endswith(START) or hasattr(_UNUSABLE, name):
            raise ConfigError(
                f"{name!r} cannot name a new adapter: "
                + ("the name is taken" if taken else "a name has no dot and is no attribute of a module")
            )

    def _attach(self, name: str, settings: Any, targets: Sequence[str], seed: int) -> None:
        if self._tuner is None and any(_holds_matrices(layer) for layer in self.module.modules()):
            raise ConfigError("the module holds adapters of another owner already; go on with that one")
        learning = {parameter: parameter.requires_grad for parameter in self.module.parameters()}
        # PEFT takes a list as ends of names, and shortens one of twenty or more; an expression says which are meant.
        settings.target_modules = "|".join(map(re.escape, targets))
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(seed, f"adapter {name}"))
            if self._tuner is None:
                from peft import LoraModel

                self._tuner = LoraModel(self.module, {name: settings}, name)
            else:
                self._tuner.peft_config[name] = settings
                self._tuner.inject_adapter(self.module, name)
        settings.target_modules = set(targets)
        self._settle(learning)

    def _attach_start(self, name: str, config: LowRankConfig, targets: Sequence[str]) -> None:
        """Attach copies of an adapter's A and B as they are now, to be taken out of the weights for it alone."""
        plain = LowRankConfig(rank=config.rank, alpha=config.alpha, rank_stabilized=config.rank_stabilized)
        self._attach(name + START, _lora_config(plain), targets, 0)
        with torch.no_grad():
            for _, layer in self._named_layers(name):
                for matrices in (layer.lora_A, layer.lora_B):
                    matrices[name + START].weight.copy_(matrices[name].weight)
                layer.scaling[name + START] = -layer.scaling[name]

    def _stored(self, name: str) -> dict[str, Tensor]:
        mark = re.compile(
            rf"(\.lora_[AB])\.{re.escape(name)}(?=\.)|(\.lora_magnitude_vector)\.{re.escape(name)}\.weight$"
        )
        return {
            SAVED_PREFIX + mark.sub(r"\1\2", key): tensor.detach()
            for key, tensor in self.module.state_dict().items()
            if (found := OWN.search(key)) is not None and found[2] == name
        }

    def _fill(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for key, tensor in self._stored(name).items():
                tensor.copy_(tensors[key])

    def _settle(self, learning: Mapping[nn.Parameter, bool]) -> None:
        """Undo what PEFT decides on attaching: what learnt goes on learning, what was active is active, and new parts
        are in the mode of their layer (PEFT's would drop inputs in evaluation).
        """
        for parameter in self.module.parameters():
            parameter.requires_grad_(learning.get(parameter, False))
        self._layers = tuple(layer for layer in self.module.modules() if _holds_matrices(layer))
        for layer in self._layers:
            layer.train(layer.base_layer.training)
        self._activate()

    def _activate(self) -> None:
        # PEFT's own way loops over all adapters of every layer, and lets the chosen ones learn.
        chosen = self._with_starts(self._active)
        for layer in self._layers:
            layer._active_adapter = chosen


def _holds_matrices(layer: nn.Module) -> bool:
    from peft.tuners.lora import LoraLayer

    return isinstance(layer, LoraLayer)


def _lora_config(config: LowRankConfig) -> Any:
    """Spell our settings in PEFT's words (peft.LoraConfig); the layers are named when it is attached."""
    from peft import LoraConfig

    return LoraConfig(
        r=config.rank,
        lora_alpha=float(config.alpha),  # type: ignore[arg-type]
        lora_dropout=config.dropout,
        use_rslora=config.rank_stabilized,
        use_dora=config.weight_decomposed,
        init_lora_weights=INITIAL.get(config.initial, config.initial),  # type: ignore[arg-type]
    )


def _plain(value: Any) -> Any:
    """Return a setting as JSON knows it."""
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return getattr(value, "value", value)
