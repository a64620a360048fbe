"""A folder of another kind than a command expects says what it is and what it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
from classifier_cases import QUIET, classifier, hashes, make_data, train_experts

import trichord
from trichord.adapters.settings import LowRankConfig
from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.loading import load_classifier
from trichord.classification.run import run_classifier
from trichord.cli.main import main
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.errors import RunError
from trichord.files import read_json, write_json
from trichord.reports import load_entries
from trichord.runs import RunDirectory
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.kinds import KINDS

PREDICT = "is a classifier: use `trichord classify predict`"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, experts and MMLoRA over them, which has adapters and no model of its own, laid out as in a study."""
    folder = tmp_path_factory.mktemp("kinds")
    dataset = make_data(folder / "data")
    experts = train_experts(dataset, folder / "study")
    matrices = {name: LowRankConfig(rank=2, alpha=2.0) for name in experts}
    config = classifier("mmlora", train=(), low_rank=matrices, starts=hashes(experts))
    run_classifier(config, dataset, folder / "study" / "mmlora", options=QUIET, experts=experts)
    write_json(folder / "study" / "table.json", {})
    return folder / "study"


@pytest.fixture
def other(study: Path, tmp_path: Path) -> Path:
    """Folders whose config.json says that they hold something else."""
    record = read_json(study / "mmlora" / "config.json")
    for kind in (ExperimentConfig, GraphExperimentConfig):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        named = {"config": f"{kind.__module__}.{kind.__qualname__}"}
        write_json(folder / "config.json", record | {"config": named})
    return tmp_path


def test_every_kind_of_folder_is_known_by_the_name_of_its_experiment() -> None:
    directories = (RunDirectory, ClassifierDirectory, GraphDirectory)
    named = {f"{kind.holds.__module__}.{kind.holds.__qualname__}": kind.kind for kind in directories}
    assert {kind.experiment: kind.called for kind in KINDS} == named
    assert ClassifierDirectory.holds is ClassifierExperimentConfig


def test_a_classifier_is_no_run(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (study / "mmlora" / "adapters").is_dir()
    experts = sorted(path for path in study.iterdir() if (path / "model.safetensors").exists())
    assert experts
    for folder in (study / "mmlora", experts[0]):
        with pytest.raises(RunError) as caught:
            trichord.load(folder)
        assert str(caught.value) == f"{folder} {PREDICT}"
        data, out = str(study.parent / "data"), str(study.parent / "vectors.safetensors")
        for words in (
            ["evaluate", str(folder), "--data", data],
            ["encode", str(folder), "--data", data, "--out", out, "--route", "A>V", "--side", "query"],
            ["compare", str(folder)],
            ["adapt", str(folder), "--pair", "VA", "--data", data, "--out", out],
        ):
            with pytest.raises(SystemExit) as stop:
                main(words)
            assert stop.value.code == 1
            assert capsys.readouterr().err == f"error: {folder} {PREDICT}\n"


def test_a_run_and_a_graph_are_no_classifiers_and_no_graphs(other: Path) -> None:
    run, graph = other / "ExperimentConfig", other / "GraphExperimentConfig"
    with pytest.raises(RunError, match=r"ExperimentConfig is a run: use `trichord evaluate`$"):
        load_classifier(run)
    with pytest.raises(RunError, match=r"is a run: use `trichord evaluate`$"):
        GraphDirectory(run).record()
    for load in (trichord.load, load_classifier):
        with pytest.raises(RunError, match=r"GraphExperimentConfig is a graph: name one of its nodes, nodes/NAME$"):
            load(graph)


def test_a_study_names_a_folder_in_it(study: Path, other: Path) -> None:
    told = f"{study} is a study that holds no run: .* is a classifier, for which use `trichord classify predict`$"
    with pytest.raises(RunError, match=told):
        trichord.load(study)
    with pytest.raises(RunError, match=rf"{study} is a study: name a classifier in it, such as {study}/"):
        load_classifier(study)
    with pytest.raises(RunError, match="is a classifier: use"):
        load_entries([study])
    with pytest.raises(RunError, match=r"is not a run folder \(it has no config"):
        trichord.load(other)
    write_json(other / "table.json", {})
    (other / "broken").mkdir()
    (other / "broken" / "config.json").write_text("{")
    with pytest.raises(RunError, match=f"is a study: name a run in it, such as {other}/ExperimentConfig$"):
        trichord.load(other)


def test_nothing_is_trained_into_a_folder_of_another_kind(study: Path, other: Path) -> None:
    dataset = make_data(study.parent / "again")
    with pytest.raises(RunError, match=r"ExperimentConfig holds a run, not a classifier; choose another --out$"):
        run_classifier(classifier("joint"), dataset, other / "ExperimentConfig", options=QUIET)
