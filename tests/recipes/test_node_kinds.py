"""What the peers of a search may be, and the record of a graph that is built from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trichord.cotraining.experiment import ClassifierConfig
from trichord.data import Dataset, DatasetSpec
from trichord.data.specification import ModalitySpec
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.encoders import GatedHeadConfig, ImageHeadConfig, LinearHeadConfig, ResidualHeadConfig
from trichord.errors import ConfigError, RunError
from trichord.graphs.text import parse_graph
from trichord.modality import AUDIO, STANDARD, VIDEO, Modality
from trichord.recipes.graphs import graph_experiment
from trichord.recipes.node_kinds import is_class_task, node_kinds
from trichord.runs import ExperimentConfig

IMAGE = Modality("image", "I")


def spec(*modalities: Modality, dim: int = 16) -> DatasetSpec:
    return DatasetSpec("data", tuple(ModalitySpec(m, "pooled", dim, 90) for m in modalities), 90, {"train": 90})


def spelled(task: str, *modalities: Modality, recipe: str = "heads") -> list[str]:
    letters = {m.name: m.letter for m in modalities}
    return [
        "-".join("".join(letters[name] for name in side) for side in (kind.left, kind.right))
        + (f" of {kind.order}" if kind.order else "")
        + (f" {kind.model}" if kind.model else "")
        for kind in node_kinds(spec(*modalities), task, recipe)
    ]


def test_pairs_stand_so_that_they_share_a_side_with_the_target() -> None:
    own = ["T-V linear", "T-V gated", "T-V wide"]
    assert spelled("T>V", *STANDARD) == ["T-V", "A-V", "T-A", "T-VA", "T-V of VAT", *own]
    assert spelled("V>T", *STANDARD)[:5] == ["V-T", "V-A", "A-T", "V-AT", "V-T of VAT"]
    assert spelled("A>V", VIDEO, AUDIO) == ["A-V", "A-V linear", "A-V gated", "A-V wide"]
    assert spelled("T>VA", *STANDARD, recipe="mcn") == ["T-VA", "V-A", "T-V", "T-A", "T-VA of VAT"]


def test_classifiers_look_at_images_by_convolution_and_at_nothing_else() -> None:
    kinds = node_kinds(spec(IMAGE), "I>digit")
    assert [kind.model for kind in kinds] == ["", "linear", "narrow", "wide", "convolution"]
    assert {kind.left for kind in kinds} == {("image",)}
    assert "convolution" not in [kind.model for kind in node_kinds(spec(IMAGE, dim=15), "I>digit")]
    assert [kind.left for kind in node_kinds(spec(VIDEO, AUDIO), "VA>emotion")] == [("video", "audio")] * 4
    with pytest.raises(ConfigError, match="X"):
        node_kinds(spec(IMAGE), "X>digit")


@pytest.mark.parametrize(
    ("task", "of_classes"), [("T>V", False), ("T>V+A", False), ("I>digit", True), ("I>Digit", True)]
)
def test_a_label_is_told_from_modalities(task: str, of_classes: bool) -> None:
    assert is_class_task(task) is of_classes


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("kinds") / "data"
    draws = np.random.default_rng(0)
    names = {"video": 16, "audio": 16, "text": 16}
    write_dataset(
        path,
        name="kinds",
        items={
            "id": [str(i) for i in range(12)],
            "split": ["train"] * 6 + ["val"] * 3 + ["test"] * 3,
            "mood": ["glad", "sad"] * 6,
        },
        modalities={n: ModalityArrays(draws.normal(size=(12, d)).astype(np.float32)) for n, d in names.items()},
    )
    return Dataset.open(path)


def test_a_node_is_what_its_words_say(dataset: Dataset) -> None:
    text = """
        a: target T-V; b: peer T-V model=linear; c: peer A-V model=gated; d: peer T-V of VAT model=wide
        label -> a: through; label -> b: through; label -> c: through; label -> d: through
    """
    config = graph_experiment(dataset, parse_graph(text, dataset.modalities), "T>V", 3, epochs=7)
    kinds = {name: type(next(iter(learner.model.encoders.values()))) for name, learner in config.learners.items()}
    assert kinds == {
        "a": ResidualHeadConfig,
        "b": LinearHeadConfig,
        "c": GatedHeadConfig,
        "d": ResidualHeadConfig,
    }
    learners = config.learners
    assert isinstance(learners["d"], ExperimentConfig)
    assert set(learners["d"].model.encoders) == {"video", "audio", "text"}
    assert len(learners["d"].stages[0].objective.parts["contrast"].pairs) == 4  # type: ignore[union-attr]
    assert (config.epochs, config.seed, config.selection.split) == (7, 3, "val")
    without = graph_experiment(dataset, config.graph, "T>V", fit_splits=("train", "val"))
    assert without.selection.split is None


def test_classifiers_know_the_classes_of_the_data(dataset: Dataset) -> None:
    graph = parse_graph("a: target VA>mood; label -> a: through", dataset.modalities)
    config = graph_experiment(dataset, graph, "VA>mood")
    learner = config.learners["a"]
    assert isinstance(learner, ClassifierConfig)
    assert learner.classes == ("glad", "sad")
    assert {type(encoder) for encoder in learner.model.encoders.values()} == {ResidualHeadConfig}
    assert config.selection.metric == "R@1"
    square = parse_graph("a: target V>mood model=convolution; label -> a: through", dataset.modalities)
    looked_at = graph_experiment(dataset, square, "V>mood").learners["a"].model.encoders["video"]
    assert isinstance(looked_at, ImageHeadConfig)
    assert (looked_at.height, looked_at.width) == (4, 4)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("a: target T-V model=linaer; label -> a: through", ConfigError, "did you mean 'linear'"),
        ("a: target T-V of VT_A; label -> a: through", ConfigError, "made of letters, such as AVT"),
        ("a: target T-V adapter; label -> a: through", ConfigError, "name the run folder of its base"),
        (
            "a: target T-V; b: frozen T-V from nowhere; label -> a: through; b -> a: rows through",
            RunError,
            "nowhere is not a run folder",
        ),
    ],
)
def test_what_a_node_cannot_be(dataset: Dataset, text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        graph_experiment(dataset, parse_graph(text, dataset.modalities), "T>V")


def test_the_recipe_of_images_wants_a_square(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(6, 15)).astype(np.float32)
    items = {"id": [str(i) for i in range(6)], "split": ["train"] * 6, "digit": [0, 1] * 3}
    write_dataset(tmp_path / "data", name="flat", items=items, modalities={"video": ModalityArrays(values)})
    data = Dataset.open(tmp_path / "data")
    graph = parse_graph("a: target V>digit model=convolution; label -> a: through", data.modalities)
    with pytest.raises(ConfigError, match="15 features are none"):
        graph_experiment(data, graph, "V>digit")
