"""Saved networks: finished runs, and the nodes of finished graphs, as the start of other nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trichord.adapters.identity import IDENTITY_FILE, load_identity
from trichord.adapters.saved import SavedAdapter, read_adapter
from trichord.config import from_dict
from trichord.cotraining.experiment import ClassifierConfig, Learner
from trichord.data import Dataset
from trichord.encoders import JointEncoder
from trichord.errors import ConfigError, RunError
from trichord.files import hash_tensors, read_json, write_json
from trichord.runs import DatasetIdentity, RunDirectory, identify, load
from trichord.runs.unseen import Seen, seen_by_adapter, seen_by_run
from trichord.training.checkpoint import load_state, load_tensors, save_tensors

CLASSIFIER_FILE = "classifier.json"
WEIGHTS_FILE = "model.safetensors"
FORMAT = 1


@dataclass(frozen=True)
class SavedNetwork:
    """A network that was saved.

    Args:
        config: the experiment it came from, or what a classifier is.
        model: its encoders, weights loaded, in evaluation mode.
        identity: hash of the weights.
    """

    config: Learner
    model: JointEncoder
    identity: str


def find_identity(folder: str | Path) -> str:
    """Return the hash of the weights in the folder of a finished run or of a node; of an adapter, of its identity.

    Raises:
        RunError: there is none, or it is not finished.
    """
    path = Path(folder)
    if (path / CLASSIFIER_FILE).exists():
        return str(_description(path)["weights"])
    if (path / IDENTITY_FILE).exists():
        return load_identity(path).hash
    directory = RunDirectory(path)
    directory.record()
    identity = directory.status().get("model")
    if not directory.finished or not identity or not directory.model_file.exists():
        raise RunError(
            f"{path} holds no finished model to start a node from; finish it, or name a run folder, or nodes/NAME in "
            "the folder of a finished graph"
        )
    return str(identity)


def load_network(folder: str | Path, expected: str) -> SavedNetwork:
    """Load a network.

    Args:
        folder: of a finished run, or of a node of a finished graph.
        expected: hash of the weights that the experiment names.

    Raises:
        RunError: it is not there, not finished, or holds other weights.
    """
    path = Path(folder)
    if (path / CLASSIFIER_FILE).exists():
        network = _load_classifier(path)
    else:
        found = load(path, device="cpu")
        network = SavedNetwork(found.config, found.encoder, found.identity)
    if network.identity != expected:
        raise RunError(
            f"{path} holds the weights {network.identity}, the experiment starts from {expected}; restore the folder, "
            "or plan the experiment anew"
        )
    return network


def load_frozen_adapter(folder: str | Path, expected: str, base: str) -> SavedAdapter:
    """Load the adapter of a frozen node.

    Args:
        folder: made by `trichord adapt`, or a node of a finished graph.
        expected: hash of its identity, which the experiment names.
        base: hash of the base that it must be over.

    Raises:
        RunError: it is not there, is another one, or belongs to another base.
    """
    saved, identity = read_adapter(Path(folder))
    if identity.hash != expected:
        raise RunError(
            f"{folder} holds the adapter {identity.hash}, the experiment starts from {expected}; restore the folder, "
            "or plan the experiment anew"
        )
    if identity.base != base:
        raise RunError(
            f"{folder} is an adapter over the base {identity.base}, the graph's base is {base}; name one of this base"
        )
    return saved


def save_classifier(
    folder: Path, config: ClassifierConfig, model: JointEncoder, *, fit_splits: tuple[str, ...], dataset: Dataset
) -> str:
    """Write a classifier, atomically file by file; return the hash of its weights.

    Args:
        folder: where.
        config: what it is.
        model: its network.
        fit_splits: splits that it learnt from.
        dataset: their data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = model.state_dict()
    identity = hash_tensors(state)
    save_tensors(folder / WEIGHTS_FILE, state, {"hash": identity})
    described = {"config": config.to_dict(), "weights": identity, "fit_splits": list(fit_splits)}
    write_json(folder / CLASSIFIER_FILE, {"format": FORMAT, **described, "dataset": vars(identify(dataset))})
    return identity


def seen_by_start(folder: str | Path, base: Seen | None) -> Seen:
    """Return what the network in a folder saw while it learnt.

    Args:
        folder: as a node starts from it.
        base: what the base saw, for an adapter over it.
    """
    path = Path(folder)
    if (path / CLASSIFIER_FILE).exists():
        there = _description(path)
        return Seen(str(path), tuple(there["fit_splits"]), (), DatasetIdentity(**there["dataset"]))
    if (path / IDENTITY_FILE).exists():
        identity = load_identity(path)
        own = DatasetIdentity(identity.dataset, "", identity.dataset_fingerprint)
        return seen_by_adapter(identity, path, base or Seen(str(path), (), (), own))
    return seen_by_run(path)


def _load_classifier(path: Path) -> SavedNetwork:
    description = _description(path)
    config = from_dict(description["config"])
    if not isinstance(config, ClassifierConfig):
        raise ConfigError(f"{path / CLASSIFIER_FILE} describes no classifier; train its graph again")
    model: JointEncoder = config.model.build()
    tensors, note = load_tensors(path / WEIGHTS_FILE)
    identity = hash_tensors(tensors)
    if not identity == note.get("hash") == description["weights"]:
        raise RunError(f"{path / WEIGHTS_FILE}: the weights are not those that were saved; restore the file")
    load_state(model, tensors)
    return SavedNetwork(config, model.eval(), identity)


def _description(path: Path) -> dict[str, Any]:
    data = read_json(path / CLASSIFIER_FILE)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RunError(f"{path / CLASSIFIER_FILE} has another format than {FORMAT}; use the version that wrote it")
    return data
