"""Saving the nodes of a trained graph: as ordinary run folders, adapter folders, or classifiers."""

from __future__ import annotations

from pathlib import Path

from trichord.adapters.lora import plain_state
from trichord.cotraining.build import Cast
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.experiment import ClassifierConfig, GraphExperimentConfig
from trichord.cotraining.networks import save_classifier
from trichord.cotraining.nodes import Node
from trichord.data import Dataset
from trichord.files import hash_tensors, write_json
from trichord.runs import ExperimentConfig, Model, RunDirectory, RunRecord, identify
from trichord.runs.adapted import save_adapters
from trichord.training.checkpoint import save_tensors


def save_nodes(
    directory: GraphDirectory, cast: Cast, config: GraphExperimentConfig, dataset: Dataset, base: Model | None
) -> dict[str, str]:
    """Save every node that learnt; return name -> hash of its weights.

    A node that compares two sides becomes a run folder that every command reads: its experiment is what would train it
    alone, on the splits and for the epochs of the graph. What it learnt from other nodes stands in the graph's own
    record, one folder up.
    """
    hashes = {}
    for name, node in cast.learning.items():
        learner = config.learners[name]
        folder = directory.node_folder(name)
        if isinstance(learner, ClassifierConfig):
            hashes[name] = save_classifier(folder, learner, node.model, fit_splits=config.fit_splits, dataset=dataset)
        elif node.network.shared:
            assert base is not None, "the experiment demands it"
            assert cast.low_rank is not None, "it comes with the base"
            alone = config.alone(name)
            folder.mkdir(parents=True, exist_ok=True)
            hashes |= save_adapters(
                cast.low_rank, cast.start, alone, base.identity, base.preprocessing, dataset, {name: folder}
            )
        else:
            hashes[name] = _save_run(folder, config.alone(name), node, dataset)
    return hashes


def _save_run(path: Path, config: ExperimentConfig, node: Node, dataset: Dataset) -> str:
    folder = RunDirectory(path)
    state = plain_state(node.model)
    identity = hash_tensors(state)
    folder.path.mkdir(parents=True, exist_ok=True)
    if not folder.exists:
        folder.begin(RunRecord(config, {}, identify(dataset)))
    save_tensors(folder.model_file, state, {"hash": identity})
    write_json(folder.status_file, {"state": "finished", "stages": [], "error": None, "model": identity, "flags": []})
    return identity
