"""A run whose trunk does not learn computes it once, and learns what it would learn otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trichord.adapters.saved import read_adapter
from trichord.adapters.settings import LowRankConfig
from trichord.data import Dataset
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.encoders.resdavenet import ResDAVEnet
from trichord.errors import RunError
from trichord.modality import Pair
from trichord.recipes.adapt import Adaptation, adapt
from trichord.recipes.mcn import LAPTOP, mcn_fixed
from trichord.runs import ExperimentConfig, Model, RunDirectory, RunOptions, load, run_experiment

SIZE = replace(LAPTOP, dim=8, audio_widths=(4, 6), decoder=4, num_clusters=4, batch_size=16, memory=32, epochs=2)
OPTIONS = RunOptions(progress=False)
AUDIO_AND_TEXT = Pair(("audio",), ("text",))


def write(path: Path) -> Dataset:
    generator = np.random.default_rng(0)
    splits = ["train"] * 40 + ["val"] * 16 + ["test"] * 16
    signal = generator.normal(size=(len(splits), 5))
    lengths = generator.integers(8, 40, len(splits))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    frames = np.repeat(signal, lengths, axis=0) + generator.normal(size=(offsets[-1], 5))
    modalities = {
        "audio": ModalityArrays((10 * frames).astype(np.float32), None, offsets),
        "text": ModalityArrays(signal.astype(np.float32)),
    }
    items = {"id": [f"clip{number}" for number in range(len(splits))], "split": splits}
    write_dataset(path, name="sounds", items=items, modalities=modalities)
    return Dataset.open(path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write(tmp_path_factory.mktemp("sounds") / "data")


@pytest.fixture(scope="module")
def base(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("base") / "run"
    run_experiment(mcn_fixed(dataset.spec, "AT", size=SIZE), dataset, path, options=OPTIONS)
    return load(path, device="cpu")


def experiment(base: Model, dataset: Dataset, targets: str = "linear") -> ExperimentConfig:
    return adapt(base, dataset.spec, AUDIO_AND_TEXT, settings=Adaptation(LowRankConfig(rank=2, targets=targets)))


def losses(run: RunDirectory) -> list[float]:
    return [line["loss"] for line in run.metrics() if line["kind"] == "step"]


def cached(run: RunDirectory) -> dict[str, str]:
    found: dict[str, str] = run.status()["stages"][0]["cached"]
    return found


@pytest.fixture(scope="module")
def adapted_runs(base: Model, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, RunDirectory]:
    folder = tmp_path_factory.mktemp("adapted")
    return {
        cache: run_experiment(
            experiment(base, dataset),
            dataset,
            folder / str(cache),
            options=replace(OPTIONS, cache_trunks=cache),
            initial=base,
        )
        for cache in (True, False)
    }


def test_a_run_with_a_cache_learns_what_one_without_learns(adapted_runs: dict[bool, RunDirectory]) -> None:
    with_cache, without = adapted_runs[True], adapted_runs[False]
    assert cached(with_cache) == {"audio": "trunk"}
    assert cached(without) == {}
    assert not with_cache.cache_folder.exists(), "it goes when the run is finished"
    assert len(losses(without)) > 5
    assert losses(with_cache) == pytest.approx(losses(without), rel=1e-4)
    points = [
        [m["metrics"]["selection"] for m in run.metrics() if m["kind"] == "validation"] for run in (with_cache, without)
    ]
    assert points[0] == pytest.approx(points[1])
    tensors = [read_adapter(run.path)[0].tensors for run in (with_cache, without)]
    for name, tensor in tensors[0].items():
        np.testing.assert_allclose(tensor.numpy(), tensors[1][name].numpy(), atol=1e-4, err_msg=name)


def test_an_interrupted_run_goes_on_from_its_cache_bit_for_bit(
    base: Model,
    dataset: Dataset,
    adapted_runs: dict[bool, RunDirectory],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "run"
    config = experiment(base, dataset)
    whole = adapted_runs[True]
    options = replace(OPTIONS, checkpoint_steps=1)

    def stop(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("trichord.runs.recorder.Recorder.after_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config, dataset, out, options=options, initial=base)
    assert list((out / "cache").glob("*.json"))
    calls: list[int] = []
    forward = ResDAVEnet.forward

    def counted(self: ResDAVEnet, *arguments: object) -> object:
        calls.append(1)
        return forward(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("trichord.runs.run.finish", lambda run: None)
    monkeypatch.setattr(ResDAVEnet, "forward", counted)
    run_experiment(config, dataset, out, options=options, initial=base)
    assert not calls, "the trunk was not computed again"
    assert losses(RunDirectory(out)) == losses(whole)


def test_a_trunk_that_learns_is_not_cached(base: Model, dataset: Dataset, tmp_path: Path) -> None:
    config = experiment(base, dataset, "linear and convolution")
    run = run_experiment(config, dataset, tmp_path / "run", options=OPTIONS, initial=base)
    assert cached(run) == {}


def test_runs_over_one_base_share_a_folder(base: Model, dataset: Dataset, tmp_path: Path) -> None:
    shared = replace(OPTIONS, cache_folder=tmp_path / "cache")
    for seed in (0, 1):
        config = replace(experiment(base, dataset), seed=seed)
        run_experiment(config, dataset, tmp_path / f"run{seed}", options=shared, initial=base)
        # One for learning and one for validation, whose clips are read in evaluation mode.
        assert len(list((tmp_path / "cache").glob("*.npy"))) == 2


def test_a_cache_that_would_be_too_large_is_not_made(base: Model, dataset: Dataset, tmp_path: Path) -> None:
    options = replace(OPTIONS, largest_cache=40 * 6 * 4 - 1)
    run = run_experiment(experiment(base, dataset), dataset, tmp_path / "run", options=options, initial=base)
    assert cached(run) == {}


@pytest.mark.parametrize("began_cached", [True, False])
def test_a_run_goes_on_as_it_began_or_says_why_it_cannot(
    began_cached: bool, base: Model, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = experiment(base, dataset), tmp_path / "run"
    options = [replace(OPTIONS, checkpoint_steps=1, cache_trunks=cache) for cache in (began_cached, not began_cached)]

    def stop(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("trichord.runs.recorder.Recorder.after_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config, dataset, out, options=options[0], initial=base)
    if began_cached:
        with pytest.raises(RunError, match="began with outputs of audio that were computed beforehand"):
            run_experiment(config, dataset, out, options=options[1], initial=base)
        assert cached(run_experiment(config, dataset, out, options=options[0], initial=base)) == {"audio": "trunk"}
    else:
        assert cached(run_experiment(config, dataset, out, options=options[1], initial=base)) == {}
