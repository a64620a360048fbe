"""An adapter outside a model: tensors and settings, written as an ordinary PEFT folder with our identity beside them.

| file | content |
|---|---|
| adapter_model.safetensors | the matrices, under PEFT's names |
| adapter_config.json | PEFT's settings: rank, alpha, layers |
| adapter_identity.json | what PEFT does not say: base, pair, sides, data; see `AdapterIdentity` |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from trichord.adapters.identity import AdapterIdentity, load_identity
from trichord.errors import RunError
from trichord.files import hash_bytes, hash_json, hash_tensors, read_json, write_atomically, write_json
from trichord.shapes import Tensor

WEIGHTS_FILE = "adapter_model.safetensors"
SETTINGS_FILE = "adapter_config.json"
DECIDING = ("r", "lora_alpha", "use_rslora", "use_dora", "target_modules", "rank_pattern", "alpha_pattern")
READ = frozenset({"r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "target_modules", "init_lora_weights"})
HARMLESS = frozenset(
    {
        "auto_mapping",
        "base_model_name_or_path",
        "inference_mode",
        "megatron_core",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "revision",
        "task_type",
    }
)
INACTIVE: tuple[Any, ...] = (None, False, "none", {}, [])
"""Values by which a setting that is not read asks for nothing; this holds for settings of later versions as well."""
STARTS = (True, "gaussian", "orthogonal")


@dataclass(frozen=True)
class SavedAdapter:
    """An adapter's own part.

    Args:
        settings: PEFT's settings as plain data.
        tensors: name -> tensor, as PEFT names them.
    """

    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def hash(self) -> str:
        """Hash of the tensors and of the settings that decide what they do."""
        deciding: dict[str, Any] = {name: self.settings.get(name) for name in DECIDING}
        deciding["target_modules"] = sorted(deciding["target_modules"] or ())
        deciding["lora_alpha"] = float(deciding["lora_alpha"])  # 8 and 8.0 are one
        return hash_bytes([hash_tensors(self.tensors).encode(), hash_json(deciding).encode()])

    @property
    def num_parameters(self) -> int:
        """Numbers in its tensors."""
        return sum(tensor.numel() for tensor in self.tensors.values())

    def without_start(self, start: Mapping[str, Tensor]) -> SavedAdapter:
        """Turn an adapter that started from the weights into an ordinary one for the weights as they were.

        What was frozen then is W - s B0 A0, so W + s (B A - B0 A0) is what was learnt, and
        B A - B0 A0 = [B, -B0] [A; A0], of twice the rank (Meng et al. 2024, PiSSA, appendix C).

        Args:
            start: its tensors before learning.
        """
        doubled = {
            key: _stack(tensor, start[key], 0) if ".lora_A." in key else _stack(tensor, -start[key], 1)
            for key, tensor in self.tensors.items()
        }
        grown = 2**0.5 if self.settings["use_rslora"] else 2  # the scale alpha / r, or alpha / sqrt(r), stays
        changes = {"r": 2 * self.settings["r"], "lora_alpha": grown * self.settings["lora_alpha"]}
        return replace(self, settings={**self.settings, **changes, "init_lora_weights": True}, tensors=doubled)


def _stack(tensor: Tensor, other: Tensor, axis: int) -> Tensor:
    return torch.cat([tensor, other], dim=axis)


@dataclass(frozen=True)
class Description:
    """What the settings of a saved adapter say, read and checked.

    Args:
        rank, alpha, dropout, rank_stabilized, weight_decomposed: as in `LowRankConfig`.
        layers: full names of the layers that have matrices.
    """

    rank: int
    alpha: float
    dropout: float
    rank_stabilized: bool
    weight_decomposed: bool
    layers: tuple[str, ...]


def describe(settings: Mapping[str, Any], origin: str) -> Description:
    """Read PEFT's settings; raise `RunError` for any that ask for more than low-rank matrices beside named layers."""
    more = sorted(name for name, value in settings.items() if name not in READ | HARMLESS and value not in INACTIVE)
    if more:
        raise RunError(f"{origin}: the adapter is more than low-rank matrices ({', '.join(more)}), which is not read")
    start = settings.get("init_lora_weights", True)
    if start not in STARTS:
        raise RunError(
            f"{origin}: the adapter still holds the weights that it started from (init_lora_weights {start!r}); "
            "save it as an ordinary adapter"
        )

    def read(name: str, rule: str, holds: Callable[[Any], bool]) -> Any:
        value = settings.get(name)
        if not holds(value):
            raise RunError(f"{origin}: {name} of an adapter is {rule}, got {value!r}; restore {SETTINGS_FILE}")
        return value

    def is_number(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

    layers = read(
        "target_modules",
        "a list of the names of layers",
        lambda value: isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value),
    )
    return Description(
        rank=read("r", "a whole number from 1 on", lambda value: type(value) is int and value >= 1),
        alpha=float(read("lora_alpha", "a number above 0", lambda value: is_number(value) and value > 0)),
        dropout=float(read("lora_dropout", "a number in [0, 1)", lambda value: is_number(value) and 0 <= value < 1)),
        rank_stabilized=read("use_rslora", "true or false", lambda value: isinstance(value, bool)),
        weight_decomposed=read("use_dora", "true or false", lambda value: isinstance(value, bool)),
        layers=tuple(sorted(set(layers))),
    )


def check_tensors(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], origin: str) -> None:
    """Raise `RunError` unless an adapter's tensors are those of the given names and shapes, and finite."""
    for verb, keys in (("lacks", set(shapes) - set(tensors)), ("has left over", set(tensors) - set(shapes))):
        if keys:
            raise RunError(
                f"{origin}: {WEIGHTS_FILE} {verb} {len(keys)} tensors for this base, such as {min(keys)}; restore the "
                "file, or learn the adapter again"
            )
    for key, shape in shapes.items():
        tensor = tensors[key]
        if tensor.shape != shape:
            raise RunError(
                f"{origin}: {WEIGHTS_FILE}: {key} has the shape {tuple(tensor.shape)}, this base and the rank in "
                f"{SETTINGS_FILE} need {shape}; load the base it was learnt over, or restore the files"
            )
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            raise RunError(
                f"{origin}: {WEIGHTS_FILE}: {key} holds values that are no finite numbers; learn the adapter again"
            )


def write_adapter(folder: Path, saved: SavedAdapter, identity: AdapterIdentity) -> None:
    """Write the three files, each atomically, the identity last: a folder that has it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in saved.tensors.items()}
    write_atomically(folder / WEIGHTS_FILE, lambda path: save_file(plain, path, metadata={"format": "pt"}))
    write_json(folder / SETTINGS_FILE, dict(saved.settings))
    identity.save(folder)


def read_adapter(folder: Path) -> tuple[SavedAdapter, AdapterIdentity]:
    """Read an adapter. Whether its tensors are those that its identity names is checked by whoever attaches it.

    Raises:
        RunError: a file is missing, damaged or of another format.
    """
    identity = load_identity(folder)
    path = folder / WEIGHTS_FILE
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise RunError(
            f"{path}: not a readable safetensors file ({error}); restore it, or learn the adapter again"
        ) from error
    settings = read_json(folder / SETTINGS_FILE)
    if not isinstance(settings, dict) or settings.get("peft_type") != "LORA":
        raise RunError(f"{folder / SETTINGS_FILE} is no PEFT configuration of LoRA; learn the adapter again")
    return SavedAdapter(settings, tensors), identity
