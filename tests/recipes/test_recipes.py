"""Every recipe builds at full size, trains in small, and repeats its recorded losses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trichord.config import from_dict, has_path, replaced
from trichord.data import Dataset, DatasetSpec, ModalityArrays, ModalitySpec, write_dataset
from trichord.data.planted import PlantedConfig, plant
from trichord.errors import ConfigError
from trichord.modality import AUDIO, STANDARD, TEXT, VIDEO, Modality
from trichord.recipes import find_recipe, mcn, mcn_fixed, names
from trichord.runs import ExperimentConfig, RunDirectory, run_experiment

GOLDEN = Path(__file__).parents[1] / "golden" / "recipe_losses.json"
SMALL = ("heads", "planted", "mcn_small", "mcn_fixed_small")
HOWTO100M = DatasetSpec(
    "howto100m",
    (
        ModalitySpec(VIDEO, "pooled", 4096, 1),
        ModalitySpec(AUDIO, "sequence", 40, 1),
        ModalitySpec(TEXT, "sequence", 300, 1),
    ),
    1,
    {"train": 1, "val": 1, "test": 1},
)


def parameters(config: ExperimentConfig, decoders: bool) -> int:
    """Count parameters without allocating them."""
    with torch.device("meta"):
        modules = [config.model.build()]
        if decoders:
            modules.append(config.stages[0].objective.parts["reconstruction"].build())
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def test_published_sizes() -> None:
    assert parameters(mcn(HOWTO100M), decoders=False) == 193_353_730
    assert parameters(mcn(HOWTO100M), decoders=True) == 223_776_770
    # The fixed form leaves out the 2 parameters of an input batch norm that the reference builds and never calls.
    assert parameters(mcn_fixed(HOWTO100M), decoders=True) == 223_776_768


def test_the_published_choices_and_their_opposites_are_explicit() -> None:
    old, new = mcn(HOWTO100M).to_dict(), mcn_fixed(HOWTO100M).to_dict()
    assert (old["model"]["normalize"], new["model"]["normalize"]) == (False, True)
    for name, flags in {"audio": (False, True), "text": (False, True)}.items():
        masks = tuple(c["model"]["encoders"][name]["mask_padding"] for c in (old, new))
        assert masks == flags
    parts = [c["stages"][0]["objective"]["parts"] for c in (old, new)]
    assert [p["reconstruction"]["detach_targets"] for p in parts] == [False, True]
    assert [p["reconstruction"]["weight"] for p in parts] == [50.0, 1.0]
    assert [p["cluster"]["centroids"] for p in parts] == ["mean", "spherical"]
    assert parts[0]["contrast"]["objective"]["margin"] == 0.001
    assert old["evaluation"]["scoring"]["similarity"] == "dot product"


def write_small(path: Path) -> Dataset:
    """Planted latents as pooled video, log-mel audio and word sequences, some items without audio."""
    corpus = plant(PlantedConfig(num_items={"train": 60, "val": 30, "test": 30}, num_captions=1))
    draws = np.random.default_rng(0)
    count = len(corpus.splits)
    audio_items = np.flatnonzero(np.arange(count) % 5 > 0)

    def sequences(values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = [
            np.repeat(v[None], n, axis=0) + draws.normal(size=(n, v.shape[0]))
            for v, n in zip(values, lengths, strict=True)
        ]
        return np.concatenate(rows).astype(np.float32), np.concatenate([[0], np.cumsum(lengths)])

    mel, mel_offsets = sequences(
        corpus.features["audio"][audio_items, 0, :40], draws.integers(20, 60, len(audio_items))
    )
    words, word_offsets = sequences(corpus.features["text"][:, 0, :12], draws.integers(1, 9, count))
    return write_dataset(
        path,
        name="small",
        items={"id": [f"i{n}" for n in range(count)], "split": corpus.splits},
        modalities={
            "video": ModalityArrays(corpus.features["video"][:, 0]),
            "audio": ModalityArrays(mel * 5 - 40, audio_items, mel_offsets),
            "text": ModalityArrays(words, None, word_offsets),
        },
    )


def write_pooled(path: Path) -> Dataset:
    from trichord.data.planted import write_planted

    return write_planted(path, PlantedConfig(num_items={"train": 60, "val": 30, "test": 30}))


def shortened(config: ExperimentConfig) -> ExperimentConfig:
    stages = tuple(replace(stage, epochs=2, batch_size=20, evaluate_every=1) for stage in config.stages)
    config = replace(config, stages=stages)
    clusters = {
        f"stages.{n}.objective.parts.cluster.num_clusters": 8 for n in range(len(stages)) if "mcn" in config.recipe
    }
    frames = {
        f"model.encoders.audio.{name}": 64
        for name in ("training_frames", "evaluation_frames")
        if has_path(config, f"model.encoders.audio.{name}")
    }
    return replaced(config, clusters | frames | {"evaluation.scoring.num_resamples": 20})


@pytest.mark.parametrize("order", ["VT_A", "AVT"])
@pytest.mark.parametrize("name", SMALL)
def test_losses_are_the_recorded_ones(name: str, order: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    dataset = write_small(tmp_path / "data") if "mcn" in name else write_pooled(tmp_path / "data")
    config = shortened(find_recipe(name)(dataset.spec, order, 0))
    run_experiment(config, dataset, tmp_path / "run")
    steps = [line["loss"] for line in RunDirectory(tmp_path / "run").metrics() if line["kind"] == "step"]
    golden = json.loads(GOLDEN.read_text())
    assert steps == pytest.approx(golden[f"{name} {order}"], rel=2e-3), "a refactoring must not change numbers"


def test_every_recipe_is_covered_and_survives_plain_data() -> None:
    assert set(SMALL) | {"mcn", "mcn_fixed"} == set(names())
    spec = replace(HOWTO100M, modalities=tuple(ModalitySpec(m, "pooled", 8, 1) for m in STANDARD))
    for name in names():
        for order in ("AV_T", "VT_A", "AT_V", "AVT", "AV_T+"):
            config = find_recipe(name)(spec, order, 3)
            assert from_dict(config.to_dict()) == config
            assert (config.recipe, config.order, config.seed) == (name, order, 3)


@pytest.mark.parametrize("name", SMALL)
def test_an_invented_modality_is_served_by_every_recipe(name: str) -> None:
    four = (*STANDARD, Modality("depth", "D"))
    spec = replace(HOWTO100M, modalities=tuple(ModalitySpec(m, "pooled", 8, 1) for m in four))
    config = find_recipe(name)(spec, "VT_A_D", 0)
    assert set(config.model.encoders) == {"video", "audio", "text", "depth"}
    assert config.stages[2].train == ("depth",)
    assert "D>V" in config.tasks


def test_recipes_of_others_and_misspelt_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [
        "from trichord.recipes import heads as mine",
        "def wrong(spec, order, seed): return 'wrong'",
        "def narrow(spec): return None",
    ]
    (tmp_path / "my_recipes.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    pooled = replace(HOWTO100M, modalities=tuple(ModalitySpec(m, "pooled", 8, 1) for m in STANDARD))
    assert find_recipe("my_recipes:mine")(pooled, "AVT", 0) == find_recipe("heads")(pooled, "AVT", 0)
    with pytest.raises(ConfigError, match="'my_recipes:wrong' returns str, not an ExperimentConfig"):
        find_recipe("my_recipes:wrong")(pooled, "AVT", 0)
    with pytest.raises(ConfigError, match=r"'my_recipes:narrow' is no function \(spec, order, seed\)"):
        find_recipe("my_recipes:narrow")(pooled, "AVT", 0)
    with pytest.raises(ConfigError, match="did you mean 'heads'"):
        find_recipe("haeds")
    for name in ("no_such_module:mine", "my_recipes:yours"):
        with pytest.raises(ConfigError, match="cannot be imported"):
            find_recipe(name)


def test_recipe_files_stay_assembly() -> None:
    files = [
        path for path in (Path(__file__).parents[2] / "src/trichord/recipes").glob("*.py") if path.name != "__init__.py"
    ]
    assert len(files) >= 4
    for path in files:
        text = path.read_text()
        assert "backward(" not in text
        assert text.count("\n") <= 190, f"{path.name} has grown beyond assembly"
