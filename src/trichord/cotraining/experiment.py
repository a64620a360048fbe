"""A graph to be trained: everything that decides its numbers, as one frozen record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from trichord.config import Config
from trichord.encoders import JointEncoderConfig
from trichord.errors import ConfigError
from trichord.evaluation import EvaluationConfig
from trichord.graphs.graph import GraphConfig, NodeConfig
from trichord.modality import Modality, Task, check_distinct, parse_task, spell, spell_task
from trichord.randomness import derive_seed
from trichord.runs import ExperimentConfig, SelectionConfig
from trichord.training.engine import Precision
from trichord.training.optimization import OptimizerConfig


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig(Config):
    """A node that tells classes apart.

    Args:
        model: its network. The joint space are the classes: the sum of the vectors of its modalities are the logits.
        classes: names of the classes, in the order of the logits.
        optimizer: how it learns.
    """

    model: JointEncoderConfig
    classes: tuple[str, ...]
    optimizer: OptimizerConfig = OptimizerConfig()

    def __post_init__(self) -> None:
        widths = {encoder.output_dim for encoder in self.model.encoders.values()}
        if len(self.classes) < 2 or widths != {len(self.classes)} or self.model.normalize:
            raise ConfigError(
                f"a classifier of {len(self.classes)} classes has vectors of that width, not normalised, and at least "
                f"two classes; got width {sorted(widths)}, normalize={self.model.normalize}"
            )


Learner = ExperimentConfig | ClassifierConfig
UNREPORTED = "none"
"""What stands for the split of an experiment that has none left to be measured on."""


@dataclass(frozen=True, kw_only=True)
class GraphExperimentConfig(Config):
    """One co-training from data to numbers.

    Args:
        recipe: name of the recipe that the nodes come from.
        task: what the target is scored by, "T>V", or "I>digit" for a classifier.
        graph: the graph.
        learners: name of every node that learns -> the experiment that would train it alone: one stage, or one
            adapter. The graph adds edges, and takes epochs, batches and seeds from this record, for all nodes alike.
        letters: modality name -> its letter, in the order of the data set.
        modalities: names of the modalities that every batch holds, whatever the nodes look at; so graphs that are
            compared see the same batches.
        scored: name of the node that is scored: the target, or an ensemble of nodes with its sides; "" is the target.
        seed: seed of everything random. The target draws what an ordinary run of this seed draws.
        epochs: passes over the fitting splits.
        batch_size, items_per_source: as of a stage.
        evaluate_every: epochs between two validations; the last epoch is always validated.
        fit_splits: splits learnt from.
        selection: the validation split and its metric, of the task alone. No epoch is chosen: every node keeps its
            last weights.
        report_split: split that is measured at the end; None leaves it alone, as a search must.
        scoring: captions, similarity and fusion, part of the protocol.
        encode_batch: instances encoded at once; it does not change the numbers.
        precision: numbers used in matrix products.
        starts: name of a node -> hash of the weights that it starts from or is frozen at.
        base: hash of the weights of the base of adapters; None where there are none.
    """

    recipe: str
    task: str
    graph: GraphConfig
    learners: dict[str, Learner]
    letters: dict[str, str]
    modalities: tuple[str, ...]
    scored: str = ""
    seed: int = 0
    epochs: int
    batch_size: int
    items_per_source: int | None = None
    evaluate_every: int = 1
    fit_splits: tuple[str, ...] = ("train",)
    selection: SelectionConfig = SelectionConfig()
    report_split: str | None = None
    scoring: EvaluationConfig = EvaluationConfig()
    encode_batch: int = 1024
    precision: Precision = "auto"
    starts: dict[str, str] = field(default_factory=dict)
    base: str | None = None

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.evaluate_every) < 1:
            raise ConfigError("epochs, batch_size and evaluate_every are at least 1")
        self._check_splits()
        learning = {name for name, node in self.graph.nodes.items() if node.learns}
        if set(self.learners) != learning:
            raise ConfigError(f"the nodes {sorted(learning)} learn, and {sorted(self.learners)} are described")
        strangers = {name for node in self.graph.nodes.values() for name in node.modalities} - set(self.modalities)
        if strangers or not set(self.modalities) <= set(self.letters):
            raise ConfigError(f"batches hold {list(self.modalities)}, which leaves out {sorted(strangers)}")
        for name, learner in self.learners.items():
            self._check_learner(name, learner)
        for name, node in self.graph.nodes.items():
            if node.start and name not in self.starts:
                raise ConfigError(f"node {name!r} starts from {node.start}; give the hash of these weights in starts")
            if node.start and node.adapter and node.learns:
                raise ConfigError(
                    f"node {name!r} is an adapter that learns, which starts anew; leave {node.start} away, or let the "
                    "node be frozen"
                )
        if any(node.adapter for node in self.graph.nodes.values()) and self.base is None:
            raise ConfigError("a node is an adapter; give the hash of the weights of its base in base")
        self._check_task()

    @property
    def known(self) -> tuple[Modality, ...]:
        """The modalities of the experiment."""
        return check_distinct([Modality(name, letter) for name, letter in self.letters.items()])

    @property
    def scored_node(self) -> str:
        """Name of the node that is scored."""
        return self.scored or self.graph.target

    def node_seed(self, name: str) -> int:
        """Return the seed of a node's weights and dropout: that of the experiment for the target and for adapters.

        Adapters draw by their names, and see the same dropped inputs, as they share the base's forward pass.
        """
        node = self.graph.nodes[name]
        same = node.role == "target" or node.adapter
        return self.seed if same else derive_seed(self.seed, f"node {name}")

    def task_of(self, name: str) -> str:
        """Spell the task that a node is measured by: the experiment's where it can answer it, else its own."""
        node = self.answering(name)
        if node.classifies:
            return f"{spell(node.left, self.known)}>{node.label}"
        if sides_of(self.graph.nodes[self.graph.target]) == sides_of(node):
            return self.task
        return spell_task(Task(node.left, node.right), self.known)

    def alone(self, name: str) -> ExperimentConfig:
        """Return what would train a node by itself, on the splits and for the epochs of the graph.

        A graph that reports no split leaves the learner's own in place, or, where the graph learns from or chooses by
        that very split, `UNREPORTED`.
        """
        learner = self.learners[name]
        if not isinstance(learner, ExperimentConfig):
            raise ConfigError(f"node {name!r} is a classifier, which no run trains by itself")
        (stage,) = learner.stages
        stage = replace(
            stage,
            epochs=self.epochs,
            stop_epoch=None,
            batch_size=self.batch_size,
            items_per_source=self.items_per_source,
            evaluate_every=self.evaluate_every,
            keep="last",
        )
        looked_at = (*self.fit_splits, self.selection.split)
        own = UNREPORTED if learner.evaluation.split in looked_at else learner.evaluation.split
        return replace(
            learner,
            stages=(stage,),
            fit_splits=self.fit_splits,
            selection=replace(self.selection, tasks=learner.selection.tasks),
            evaluation=replace(learner.evaluation, split=self.report_split or own),
        )

    def answering(self, name: str) -> NodeConfig:
        """Return the node, or of an ensemble its first member, whose sides it answers for."""
        node = self.graph.nodes[name]
        return self.graph.nodes[node.members[0]] if node.members else node

    def measurable(self, name: str) -> bool:
        """Whether a node answers a task of its own: any but an ensemble of unlike sides, which only teaches."""
        members = self.graph.nodes[name].members
        return len({sides_of(self.graph.nodes[member]) for member in members}) <= 1

    def _check_splits(self) -> None:
        chosen = self.selection.split
        if self.selection.tasks:
            raise ConfigError(f"the task of a graph decides about it; leave selection.tasks {self.selection.tasks} out")
        if chosen is not None and chosen == self.report_split:
            raise ConfigError(f"split {chosen!r} would both choose graphs and be reported")
        for split in self.fit_splits:
            if split in (chosen, self.report_split):
                raise ConfigError(f"split {split!r} would be learnt from and measured on; measure on unseen items")

    def _check_learner(self, name: str, learner: Learner) -> None:
        node = self.graph.nodes[name]
        if node.classifies != isinstance(learner, ClassifierConfig):
            raise ConfigError(f"node {name!r} {'is' if node.classifies else 'is no'} classifier, its learner is not so")
        lacking = set(node.modalities) - set(learner.model.encoders)
        if lacking:
            raise ConfigError(f"node {name!r} compares {sorted(lacking)}, which its model has no encoder for")
        if isinstance(learner, ExperimentConfig):
            if len(learner.stages) != 1:
                raise ConfigError(
                    f"node {name!r} learns in {len(learner.stages)} stages; a node learns in one: train order "
                    f"{learner.order} by itself and let the node start from it"
                )
            if bool(learner.adapters) != node.adapter or (node.adapter and list(learner.adapters) != [name]):
                raise ConfigError(f"node {name!r}: an adapter is called like its node, other nodes have none")
            self.alone(name)

    def _check_task(self) -> None:
        target = self.graph.nodes[self.graph.target]
        if target.classifies:
            if self.task != self.task_of(self.graph.target):
                raise ConfigError(f"the target classifies: its task is {self.task_of(self.graph.target)}")
        else:
            task = parse_task(self.task, self.known)
            if {frozenset(task.query), frozenset(task.gallery)} != sides_of(target):
                raise ConfigError(
                    f"the target compares {spell(target.left, self.known)} with {spell(target.right, self.known)}, "
                    f"which does not answer {self.task}; let the target have the sides of the task"
                )
        if self.scored_node not in self.graph.nodes or not self.measurable(self.scored_node):
            raise ConfigError(f"{self.scored_node!r} cannot be scored: no node, or an ensemble of unlike sides")
        if self.task_of(self.scored_node) != self.task:
            raise ConfigError(f"{self.scored_node!r} answers {self.task_of(self.scored_node)}, not {self.task}")


def sides_of(node: NodeConfig) -> frozenset[frozenset[str]]:
    """Return the two sides of a node, in no order; a classifier's are its modalities and its label."""
    return frozenset({frozenset(node.left), frozenset(node.right) if node.right else frozenset({f">{node.label}"})})
