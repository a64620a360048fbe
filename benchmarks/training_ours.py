"""The same step by the package: the `mcn` recipe at the benchmark's size, taken as the training loop takes it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from benchmarks.training_baseline import PlainClusters, PlainHead, PlainTrainer
from benchmarks.training_data import PUBLISHED_REFRESH, StepSize, draw_features
from trichord.batch import Batch, Features
from trichord.data.specification import DatasetSpec, ModalitySpec
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.objectives.cluster import Cluster, fuse
from trichord.objectives.kmeans import initial_rows, refine
from trichord.randomness import torch_generator
from trichord.recipes.mcn import Size, mcn
from trichord.training.engine import Engine
from trichord.training.loop import Position, require_finite
from trichord.training.optimization import OptimizerConfig, build_optimizer
from trichord.training.system import System

LEARNING_RATE = 1e-4


class OurTrainer:
    """A system with engine and optimizer, as `train_stage` puts them together.

    Args:
        system: model and objective.
        engine: device and precision.
    """

    def __init__(self, system: System, engine: Engine) -> None:
        optimizer = build_optimizer(system, OptimizerConfig(learning_rate=LEARNING_RATE, schedule="constant"))
        self.engine = engine
        self.system, self.optimizer = engine.prepare(system, optimizer)

    def go_to_refresh(self) -> None:
        """Let the next step be one that refreshes the centroids."""
        clusters = cluster_of(self.system)
        clusters.num_steps.fill_(clusters.config.refresh_every)

    def step(self, features: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Take one step, checks of the loop included; return the loss terms, summed by part."""
        terms = self.system(as_batch(features))
        require_finite(terms, Position(0, 0, 0))
        self.engine.backward(terms.total)
        self.engine.clip_gradients(self.system, None)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        parts: dict[str, float] = {}
        for name, value in terms.terms.items():
            part = name.partition("/")[0]
            parts[part] = parts.get(part, 0.0) + value.item()
        return parts


def as_batch(features: Mapping[str, torch.Tensor]) -> Batch:
    """Return a batch in which every row holds every modality."""
    size = len(next(iter(features.values())))
    rows = torch.arange(size, device=next(iter(features.values())).device)
    return Batch(rows, {name: Features(values, rows) for name, values in features.items()})


def build_system(size: StepSize) -> System:
    """Build the `mcn` recipe for pooled features of the benchmark's widths, in the steady state of a long run.

    The memory is full of vectors the untrained network gives to other rows, and centroids exist.
    """
    modalities = (VIDEO, AUDIO, TEXT)
    specs = tuple(ModalitySpec(m, "pooled", size.input_widths[m.name], size.batch_size) for m in modalities)
    spec = DatasetSpec("benchmark", specs, size.batch_size, {"train": size.batch_size})
    sizes = Size(
        dim=size.dim,
        decoder=size.hidden,
        num_clusters=size.num_clusters,
        batch_size=size.batch_size,
        memory=size.queue_rows,
    )
    config = mcn(spec, "AVT", size=sizes)
    torch.manual_seed(0)
    stage = config.stages[0]
    system = System(config.model.build(), stage.objective.build(), stage.modalities)
    _fill_memory(system, size)
    return system.train()


@torch.no_grad()
def _fill_memory(system: System, size: StepSize) -> None:
    cluster = cluster_of(system)
    for step in range(size.queue_rows // size.batch_size):
        batch = as_batch(draw_features(size, -1 - step))
        embeddings = system.model(batch.features, len(batch))
        cluster.memory.push(fuse(embeddings, system.modalities).vectors)
    rows = cluster.memory.content()
    start = initial_rows(rows, size.num_clusters, torch_generator(0, "benchmark centroids"))
    cluster.centroids.copy_(refine(rows, start, spherical=False, max_iterations=5, tolerance=0.0).centroids)
    cluster.initialised.fill_(True)


def cluster_of(system: nn.Module) -> Cluster:
    """Return the centroid contrast of a system."""
    found: Any = system.get_submodule("objective.parts.cluster")
    assert isinstance(found, Cluster)
    return found


def build_both(
    size: StepSize, precision: Literal["float32", "bfloat16"], device: Literal["cpu"] | None = None
) -> tuple[PlainTrainer, OurTrainer, torch.device]:
    """Return both sides with equal weights, memory and centroids, and the device they are on."""
    engine = Engine(precision, device)
    system = build_system(size).to(engine.device)
    heads: dict[str, PlainHead] = {}
    decoders: dict[str, nn.Module] = {}
    for name, width in size.input_widths.items():
        heads[name] = PlainHead(width, size.dim).to(engine.device)
        heads[name].load_state_dict(system.model.get_submodule(f"encoders.{name}.unit").state_dict())
        decoders[name] = copy.deepcopy(system.objective.get_submodule(f"parts.reconstruction.decoders.{name}"))
    cluster = cluster_of(system)
    clusters = PlainClusters(
        cluster.memory.content().flip(0), cluster.centroids.clone(), PUBLISHED_REFRESH, size.clips_per_video
    )
    plain = PlainTrainer(heads, decoders, clusters, LEARNING_RATE)
    return plain, OurTrainer(system, engine), engine.device
