"""Low-rank matrices in the layers of a module, through PEFT; the only file that imports it.

PEFT wraps a layer in place: the layer's weight moves to `base_layer`, and matrices of any number of adapters stand
beside it. What we add: activation in time that does not depend on how many adapters there are (PEFT's own loops over
all of them), batches of a different adapter for every row that pass the frozen weights once, names of weights as they
were before, and errors before anything is changed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import peft
import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from trichord.adapters.saved import SavedAdapter
from trichord.adapters.settings import LowRankConfig
from trichord.errors import ConfigError, RunError, nearest
from trichord.randomness import derive_seed
from trichord.shapes import Tensor

LAYERS: Mapping[str, tuple[type[nn.Module], ...]] = {
    "linear": (nn.Linear,),
    "linear and convolution": (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
}
ANY_LAYER = LAYERS["linear and convolution"]
INITIAL: Mapping[str, bool | str] = {"kaiming": True}
UNSUPPORTED = ("modules_to_save", "target_parameters", "trainable_token_indices", "layer_replication", "lora_bias")
SAVED_PREFIX = "base_model.model."
_OWN = re.compile(r"\.(lora_A|lora_B|lora_magnitude_vector)\.([^.]+)(?=\.|$)")


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of a batch that pass through one adapter; None: through none."""

    adapter: str | None
    first: int
    last: int


def find_targets(module: nn.Module, targets: str, within: Sequence[str] = ("",)) -> tuple[str, ...]:
    """Return the full names of the layers that get matrices.

    Args:
        module: where to look; it may hold matrices already.
        targets: see `LowRankConfig`.
        within: names of the submodules whose layers are meant; "" is the module itself.

    Raises:
        ConfigError: a submodule has no such layer, or the expression cannot be read.
    """
    kinds = LAYERS.get(targets, ANY_LAYER)
    try:
        pattern = re.compile(".*" if targets in LAYERS else targets)
    except re.error as error:
        raise ConfigError(
            f"targets {targets!r} is no regular expression: {error}; or say {' or '.join(LAYERS)}"
        ) from error
    found: list[str] = []
    for root in within:
        head = f"{root}." if root else ""
        names = [
            name.removesuffix(".base_layer")
            for name, layer in module.named_modules()
            if name.startswith(head) and isinstance(layer, kinds) and not _OWN.search(f".{name}")
        ]
        chosen = [name for name in names if pattern.fullmatch(name.removeprefix(head))]
        if not chosen:
            known = ", ".join(name.removeprefix(head) for name in names) or "none at all"
            raise ConfigError(f"no layer of {root or 'the module'} matches targets {targets!r}; its layers are {known}")
        found += chosen
    return tuple(found)


def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the state dictionary as it was without adapters: their tensors left out, weights under their own names."""
    return {
        name.replace(".base_layer.", "."): tensor
        for name, tensor in module.state_dict().items()
        if not _OWN.search(name)
    }


class LowRank:
    """The low-rank matrices in a module.

    Args:
        module: changed in place once the first adapter is attached; until then it is left alone.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._tuner: peft.LoraModel | None = None
        self._layers: tuple[Any, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attached adapters."""
        return () if self._tuner is None else tuple(self._tuner.peft_config)

    @property
    def layers(self) -> tuple[Any, ...]:
        """Layers that hold matrices of some adapter."""
        return self._layers

    def require(self, *names: str) -> None:
        """Raise `ConfigError` for a name that is not attached."""
        for name in names:
            if name not in self.names:
                raise ConfigError(f"no adapter named {name!r} is loaded; {nearest(name, self.names or ('(none)',))}")

    def attach(self, name: str, config: LowRankConfig, within: Sequence[str] = ("",), seed: int = 0) -> None:
        """Put the matrices of one more adapter beside the weights; none is active afterwards.

        Args:
            name: what it is called; no dots.
            config: its matrices.
            within: names of the submodules whose layers are changed.
            seed: seed of its random start; the name takes part, so adapters of one seed differ.

        Raises:
            ConfigError: the name is taken or unusable, or there is no such layer.
        """
        targets = find_targets(self.module, config.targets, within)
        if config.starts_from_weights and any(not isinstance(self._weighted(t), nn.Linear) for t in targets):
            raise ConfigError(f"initial={config.initial!r} takes linear weights apart; convolutions start from kaiming")
        self._attach(name, _lora_config(config, targets), seed)

    def attach_saved(self, name: str, saved: SavedAdapter, origin: str) -> None:
        """Attach an adapter that was saved.

        Raises:
            RunError: it does not fit this module: layers that are not there, tensors missing, left over or of another
                shape, or settings that ask for more than low-rank matrices. Nothing is changed then.
        """
        config = _read_config(saved.settings, origin)
        strangers = sorted(set(config.target_modules or ()) - {key for key, _ in self.module.named_modules()})
        if strangers:
            raise RunError(
                f"{origin}: the adapter changes the layer {strangers[0]} ({len(strangers)} such), which this base does "
                "not have; it was learnt over another base"
            )
        self._attach(name, config, 0)
        try:
            self._load_tensors(name, saved.tensors, origin)
        except RunError:
            self.detach(name)
            raise

    def _attach(self, name: str, config: peft.LoraConfig, seed: int) -> None:
        if name in self.names or not name or "." in name:
            raise ConfigError(f"{name!r} cannot name a new adapter: names are distinct and hold no dot")
        learning = {parameter: parameter.requires_grad for parameter in self.module.parameters()}
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(seed, f"adapter {name}"))
            if self._tuner is None:
                self._tuner = peft.LoraModel(self.module, {name: config}, name)
            else:
                self._tuner.peft_config[name] = config
                self._tuner.inject_adapter(self.module, name)
        self._settle(learning)

    def detach(self, name: str) -> None:
        """Take an adapter's matrices away."""
        self.require(name)
        assert self._tuner is not None
        self._tuner.delete_adapter(name)
        self._settle({parameter: parameter.requires_grad for parameter in self.module.parameters()})

    def combine(
        self, name: str, members: Sequence[str], weights: Sequence[float], kind: str, seed: int = 0, **options: Any
    ) -> None:
        """Attach an adapter made of others by PEFT's `add_weighted_adapter`.

        Args:
            name: of the new adapter.
            members, weights: attached adapters, and the factor on the change that each makes.
            kind: PEFT's name of the way.
            seed: seed of what it draws.
            options: PEFT's other options.

        Raises:
            ConfigError: a member is not attached, or decomposes its weights (its change is no product of matrices).
        """
        self.require(*members)
        assert self._tuner is not None
        decomposed = [member for member in members if self._tuner.peft_config[member].use_dora]
        if decomposed:
            raise ConfigError(f"{decomposed} decompose their weights (DoRA) and cannot be mixed; fuse scores instead")
        learning = {parameter: parameter.requires_grad for parameter in self.module.parameters()}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._tuner.add_weighted_adapter(
                list(members),
                list(weights),
                name,
                combination_type=kind,  # type: ignore[arg-type]
                **options,
            )
        # PEFT means the scale of a mixture to be 1 and sets alpha = r for it, which rank-stabilised members would undo.
        self._tuner.peft_config[name].use_rslora = False
        self._settle(learning)
        for layer in self._layers:
            if name in layer.scaling:
                layer.scaling[name] = 1.0

    def learn(self, names: Collection[str]) -> None:
        """Let the matrices of the named adapters learn and freeze those of all others; other weights are left alone."""
        self.require(*names)
        for key, parameter in self.module.named_parameters():
            found = _OWN.search(key)
            if found is not None:
                parameter.requires_grad_(found[2] in names)

    @contextmanager
    def active(self, *names: str) -> Iterator[None]:
        """Let rows pass through the named adapters (their changes add up) while the block runs; afterwards as before.

        Its time does not depend on how many adapters are attached.

        Raises:
            ConfigError: a name is not attached.
        """
        self.require(*names)
        before = [layer._active_adapter for layer in self._layers]
        chosen = list(names)
        for layer in self._layers:
            layer._active_adapter = chosen
        try:
            yield
        finally:
            for layer, former in zip(self._layers, before, strict=True):
                layer._active_adapter = former

    @contextmanager
    def active_rows(self, rows: Sequence[Rows]) -> Iterator[None]:
        """Let rows of a batch pass through adapters of their own while the block runs.

        The frozen weights work on all rows at once, and an adapter's matrices on its rows only. Every layer's input
        must have the rows of the batch as its first axis.

        Args:
            rows: consecutive, from row 0 to the last row of the batch.

        Raises:
            ConfigError: a name is not attached, or a layer sees another number of rows.
        """
        self.require(*{group.adapter for group in rows if group.adapter is not None})
        with self.active():
            hooks = [layer.register_forward_hook(partial(_add_by_rows, rows)) for layer in self._layers]
            try:
                yield
            finally:
                for hook in hooks:
                    hook.remove()

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return an adapter's tensors under the names they are saved by; they share its memory."""
        self.require(name)
        mark = re.compile(
            rf"(\.lora_[AB])\.{re.escape(name)}(?=\.)|(\.lora_magnitude_vector)\.{re.escape(name)}\.weight$"
        )
        return {
            SAVED_PREFIX + mark.sub(r"\1\2", key): tensor.detach()
            for key, tensor in self.module.state_dict().items()
            if (found := _OWN.search(key)) is not None and found[2] == name
        }

    def saved(self, name: str) -> SavedAdapter:
        """Return copies of an adapter's tensors, and its settings."""
        assert self._tuner is not None or not self.names
        tensors = {key: tensor.clone() for key, tensor in self.tensors(name).items()}
        assert self._tuner is not None
        settings = {key: _plain(value) for key, value in self._tuner.peft_config[name].to_dict().items()}
        return SavedAdapter({**settings, "inference_mode": True}, tensors)

    def _load_tensors(self, name: str, tensors: Mapping[str, Tensor], origin: str) -> None:
        own = self.tensors(name)
        for verb, keys in (("lacks", set(own) - set(tensors)), ("has left over", set(tensors) - set(own))):
            if keys:
                raise RunError(
                    f"{origin}: the adapter {verb} {len(keys)} tensors for this base, such as {min(keys)}; restore the "
                    "file, or learn the adapter again"
                )
        for key, tensor in own.items():
            if tensor.shape != tensors[key].shape:
                raise RunError(
                    f"{origin}: {key} has the shape {tuple(tensors[key].shape)}, this base and rank need "
                    f"{tuple(tensor.shape)}; it was learnt over another base, or its rank was changed"
                )
        with torch.no_grad():
            for key, tensor in own.items():
                tensor.copy_(tensors[key])

    def merged(self, *names: str) -> nn.Module:
        """Return a copy of the module without adapters, into whose weights the named ones are merged, if any."""
        self.require(*names)
        if self._tuner is None:
            return copy.deepcopy(self.module)
        twin = copy.deepcopy(self._tuner)
        if not names:
            return twin.unload()
        return twin.merge_and_unload(safe_merge=True, adapter_names=list(names))

    def merge(self, name: str) -> dict[str, Tensor]:
        """Add an adapter's change to the weights, in place, and return copies of these as they were.

        Whoever merged puts the copies back; subtracting the change again would leave rounding behind.
        """
        self.require(name)
        clean: dict[str, Tensor] = {}
        for key, layer in self.module.named_modules():
            if isinstance(layer, LoraLayer) and name in layer.lora_A:
                assert isinstance(layer, nn.Module)
                clean[f"{key}.base_layer.weight"] = layer.get_parameter("base_layer.weight").detach().clone()
                layer.merge(safe_merge=True, adapter_names=[name])
                layer.merged_adapters.clear()
        return clean

    def dropouts(self) -> Iterator[nn.Module]:
        """Yield the dropout of every adapter in every layer."""
        for layer in self._layers:
            yield from layer.lora_dropout.values()

    def _weighted(self, name: str) -> nn.Module:
        layer = self.module.get_submodule(name)
        found: nn.Module = layer.get_base_layer() if isinstance(layer, LoraLayer) else layer
        return found

    def _settle(self, learning: Mapping[nn.Parameter, bool]) -> None:
        """Undo what PEFT decides on attaching: weights that learnt go on learning, and no adapter is active."""
        for parameter in self.module.parameters():
            parameter.requires_grad_(learning.get(parameter, False))
        self._layers = tuple(layer for layer in self.module.modules() if isinstance(layer, LoraLayer))
        for layer in self._layers:
            layer._active_adapter = []


def _lora_config(config: LowRankConfig, targets: Collection[str]) -> peft.LoraConfig:
    """Spell our settings in PEFT's words."""
    return peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]
        lora_dropout=config.dropout,
        target_modules=sorted(targets),
        use_rslora=config.rank_stabilized,
        use_dora=config.weight_decomposed,
        init_lora_weights=INITIAL.get(config.initial, config.initial),  # type: ignore[arg-type]
    )


def _read_config(settings: Mapping[str, Any], origin: str) -> peft.LoraConfig:
    """Rebuild PEFT's configuration; refuse what would change more than the layers it names."""
    asked = [name for name in UNSUPPORTED if settings.get(name)]
    if settings.get("bias", "none") != "none" or asked:
        raise RunError(
            f"{origin}: the adapter changes more than low-rank matrices ({asked or 'bias'}), which is not read"
        )
    if not isinstance(settings.get("r"), int) or settings["r"] < 1:
        raise RunError(f"{origin}: the rank of an adapter is a whole number from 1 on, got {settings.get('r')!r}")
    if not settings.get("target_modules") or isinstance(settings["target_modules"], str):
        raise RunError(f"{origin}: an adapter names the layers it changes, got {settings.get('target_modules')!r}")
    try:
        config = peft.LoraConfig.from_peft_type(  # type: ignore[no-untyped-call]
            **{**settings, "init_lora_weights": True}
        )
    except (TypeError, ValueError, KeyError) as error:
        raise RunError(f"{origin}: PEFT does not read these settings: {error}") from error
    assert isinstance(config, peft.LoraConfig)
    return config


def _plain(value: Any) -> Any:
    """Return a setting as JSON knows it."""
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return getattr(value, "value", value)


def _add_by_rows(rows: Sequence[Rows], layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Add every adapter's change to its rows of a layer's output."""
    values = inputs[0]
    if len(values) != rows[-1].last:
        raise ConfigError(
            f"a batch of {rows[-1].last} rows reached a layer as {len(values)}; rows of several adapters need the rows "
            "of the batch as the first axis of every adapted layer"
        )
    for group in rows:
        if group.adapter is None or group.adapter not in layer.lora_A:
            continue
        mine = slice(group.first, group.last)
        variant = layer.lora_variant.get(group.adapter)
        if variant is not None:
            output[mine] = variant.forward(
                layer, active_adapter=group.adapter, x=values[mine], result=output[mine].clone()
            )
            continue
        inner = layer.lora_A[group.adapter](values[mine])
        output[mine].add_(layer.lora_B[group.adapter](inner), alpha=layer.scaling[group.adapter])
    return output
