"""Saved networks: finished runs, and the nodes of finished graphs, as the start of other nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trichord.config import from_dict
from trichord.cotraining.experiment import ClassifierConfig, Learner
from trichord.encoders import JointEncoder
from trichord.errors import ConfigError, RunError
from trichord.files import hash_tensors, read_json, write_json
from trichord.runs import RunDirectory, load
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
    """Return the hash of the weights in the folder of a finished run or of a node.

    Raises:
        RunError: there is none, or it is not finished.
    """
    path = Path(folder)
    if (path / CLASSIFIER_FILE).exists():
        return str(_description(path)["weights"])
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


def save_classifier(folder: Path, config: ClassifierConfig, model: JointEncoder) -> str:
    """Write a classifier, atomically file by file; return the hash of its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    state = model.state_dict()
    identity = hash_tensors(state)
    save_tensors(folder / WEIGHTS_FILE, state, {"hash": identity})
    write_json(folder / CLASSIFIER_FILE, {"format": FORMAT, "config": config.to_dict(), "weights": identity})
    return identity


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
