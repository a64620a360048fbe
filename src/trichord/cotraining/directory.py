"""The folder of a trained graph.

| file | content |
|---|---|
| config.json | version, full configuration, what differs from the recipe, data set name, path and fingerprint |
| environment.json | packages, Python, commit, hardware, threads, precision |
| status.json | state (running, finished, stopped, interrupted, failed), values per node, hashes, seconds, message |
| metrics.jsonl | one line per logged step, with every node's terms, and one per validation of a node |
| checkpoint.safetensors | exact training state while it is not finished |
| nodes/NAME/ | every node that learnt: an ordinary run folder, an adapter folder, or a classifier |
| nodes/NAME/results/SPLIT/ | its result on a split, with values per query |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.evaluation.result import RetrievalResult, load_result
from trichord.runs.directory import Directory


class GraphDirectory(Directory[GraphExperimentConfig]):
    """The folder of a trained graph."""

    holds = GraphExperimentConfig
    kind = "graph"
    made_by = "trichord graph train"

    def node_folder(self, name: str) -> Path:
        """Where a node is saved; other nodes can start from it."""
        return self.path / "nodes" / name

    def results_folder(self, split: str, node: str) -> Path:
        """Results of a node on a split."""
        return self.node_folder(node) / "results" / split

    def differences(self, there: GraphExperimentConfig, here: GraphExperimentConfig) -> dict[str, tuple[Any, Any]]:
        """Return what makes two experiments other ones; weights to start from are told apart by hash, not by place."""
        moved = {
            f"graph.nodes.{name}.start"
            for name in there.graph.nodes.keys() & here.graph.nodes.keys()
            if there.graph.nodes[name].start and here.graph.nodes[name].start  # their hashes are in `starts`
        }
        return {path: both for path, both in super().differences(there, here).items() if path not in moved}

    @property
    def stopped(self) -> bool:
        """Whether it was ended early because it promised too little."""
        return bool(self.status()["state"] == "stopped")

    def curve(self, node: str | None = None) -> list[tuple[int, float]]:
        """Return (epochs done, value on the selection split) of every validation of a node; None: the scored one."""
        name = node or self.record().config.scored_node
        lines = [line for line in self.metrics() if line["kind"] == "validation" and line["node"] == name]
        return [(line["epoch"], line["value"]) for line in lines]

    def result(self, split: str, node: str | None = None) -> RetrievalResult:
        """Return a node's result of its task on a split; None: of the scored node. See `load_result` for errors."""
        config = self.record().config
        name = node or config.scored_node
        return load_result(self.results_folder(split, name), config.task_of(name))
