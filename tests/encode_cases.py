"""A run folder and adapters over it, made without training: what encodes need not have learnt."""

from collections.abc import Sequence
from pathlib import Path

import torch

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.lora import LowRank
from trichord.adapters.saved import write_adapter
from trichord.adapters.settings import BASE, LowRankConfig
from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, write_planted
from trichord.files import hash_tensors
from trichord.recipes import mcn_fixed_small
from trichord.runs import DatasetIdentity, Model, RunDirectory, RunRecord
from trichord.runs.preprocessing import preprocessing_of
from trichord.training.checkpoint import save_tensors


def planted(folder: Path) -> Dataset:
    """Thirty test items of two captions, some without audio."""
    return write_planted(folder, PlantedConfig(num_items={"train": 8, "val": 8, "test": 30}, missing={"audio": 0.3}))


def finished_run(folder: Path, dataset: Dataset, seed: int = 0) -> Path:
    """A finished run of random weights."""
    config = mcn_fixed_small(dataset.spec, "AVT", seed)
    torch.manual_seed(seed)
    state = config.model.build().state_dict()
    directory = RunDirectory(folder)
    directory.begin(RunRecord(config, {}, DatasetIdentity(dataset.spec.name, str(dataset.path), dataset.fingerprint())))
    save_tensors(directory.model_file, state, {"hash": hash_tensors(state)})
    directory.write_status(state="finished")
    return folder


def write_pair(folder: Path, model: Model, left: str, right: str, sides: Sequence[str] | None = None) -> Path:
    """An adapter of a pair over a model, stirred as learning would; the folder's name is its own."""
    encoder, changed = model.bank.export(BASE), tuple(sides or (left, right))
    low_rank, name = LowRank(encoder), folder.name
    low_rank.attach(name, LowRankConfig(rank=2), [f"encoders.{side}" for side in changed])
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    for tensor in low_rank.tensors(name).values():
        tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.2)
    saved, settings = low_rank.saved(name), preprocessing_of(model.config.model)
    identity = AdapterIdentity(
        name=name,
        left=(left,),
        right=(right,),
        sides=changed,
        base=model.identity,
        weights=saved.hash,
        preprocessing={side: settings[side] for side in changed},
        dataset="planted",
        dataset_fingerprint="0",
        learnt="after the base",
    )
    write_adapter(folder, saved, identity)
    return folder
