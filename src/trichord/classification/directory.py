"""The folder of a trained classifier.

| file | content |
|---|---|
| config.json | version, full configuration, what differs from the recipe, data set name, path and fingerprint |
| environment.json | packages, Python, commit, hardware, threads, precision |
| status.json | state (running, finished, interrupted, failed), hashes, costs, the best epoch, message |
| metrics.jsonl | one line per logged step and per validation |
| checkpoint.safetensors | exact training state while it is not finished |
| model.safetensors | the weights of an expert, a joint classifier or one with teachers; matrices are merged into them |
| head.safetensors | the classifier on top, where it learnt over frozen experts |
| experts.json | where these experts lie, and what their weights hash to |
| backbones/MODALITY/ | what builds a pretrained encoder again: its configuration and processor, without weights |
| adapters/MODALITY/ | matrices that learnt in an encoder, as PEFT keeps them |
| scores/SPLIT/ | its answers to every item of a split: "all", "without video", "probe video" |
"""

from __future__ import annotations

from pathlib import Path

from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.evaluation.class_scores import ClassScores, load_class_scores
from trichord.runs.directory import Directory

ALL = "all"
"""Name of the answers that take every modality."""


def without(modality: str) -> str:
    """Return the name of the answers that leave a modality out."""
    return f"without {modality}"


def probe(modality: str) -> str:
    """Return the name of the answers of a linear probe on one encoder's vectors."""
    return f"probe {modality}"


class ClassifierDirectory(Directory[ClassifierExperimentConfig]):
    """The folder of a trained classifier."""

    holds = ClassifierExperimentConfig
    kind = "classifier"
    made_by = "trichord classify train"

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.model_file = self.path / "model.safetensors"
        self.head_file = self.path / "head.safetensors"
        self.experts_file = self.path / "experts.json"

    def adapter_folder(self, modality: str) -> Path:
        """Matrices in one encoder."""
        return self.path / "adapters" / modality

    def backbone_folder(self, modality: str) -> Path:
        """What builds a pretrained encoder again."""
        return self.path / "backbones" / modality

    def scores_folder(self, split: str) -> Path:
        """Answers on a split."""
        return self.path / "scores" / split

    def answers(self, split: str) -> list[str]:
        """Return the names of the answers on a split that are there: "all" first, then in the order of modalities."""
        config = self.record().config
        names = [ALL, *map(without, config.model.encoders), *map(probe, config.model.encoders)]
        there = {path.stem for path in self.scores_folder(split).glob("*.json")}
        return [name for name in names if name.replace(" ", "_") in there]

    def scores(self, split: str, name: str = ALL) -> ClassScores:
        """Return the answers on a split; see `load_class_scores` for errors.

        Args:
            split: the selection split, or the one that is reported.
            name: "all", "without MODALITY", or "probe MODALITY".
        """
        return load_class_scores(self.scores_folder(split), name)
