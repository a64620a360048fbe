"""Real runs with one mistake each: every mistake has its own first sentence, and healthy runs have none."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diagnosis_cases import (
    planted_data,
    planted_recipe,
    scaled_copy,
    train,
    worded_data,
    worded_recipe,
)

from trichord.cli.main import main
from trichord.data import Dataset
from trichord.diagnosis import Diagnosis, diagnose
from trichord.errors import ConfigError, ProtocolError, RunError
from trichord.files import hash_tensors
from trichord.recipes import heads
from trichord.recipes.fine_tune import FineTuning, fine_tune
from trichord.runs import Model, RunDirectory, RunOptions, load, run_experiment
from trichord.runs.run import build_model
from trichord.training.checkpoint import save_tensors

RATE = "stages__0__optimizer__learning_rate"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diagnosis")


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return planted_data(folder / "data")


@pytest.fixture(scope="module")
def run(folder: Path, data: Dataset) -> RunDirectory:
    return train(planted_recipe(data), data, folder / "healthy")


def first(diagnosis: Diagnosis) -> str:
    assert diagnosis.suspicious, diagnosis.to_text()
    assert diagnosis.sentence == diagnosis.findings[0].sentence
    assert diagnosis.findings[0].severity == "cause"
    return diagnosis.findings[0].check


def with_other_weights(run: RunDirectory, folder: Path, data: Dataset, seed: int, *, forge: bool) -> RunDirectory:
    """Copy a run with untrained weights in its model file, their hash beside them; forged, in status.json as well."""
    shutil.copytree(run.path, folder)
    copy = RunDirectory(folder)
    config = planted_recipe(data, seed)
    state = build_model(config, data).state_dict()
    save_tensors(copy.model_file, state, {"hash": hash_tensors(state)})
    if forge:
        copy.write_status(model=hash_tensors(state), stages=[])
    return copy


@pytest.mark.parametrize("seed", [1, 2])
def test_healthy_runs_of_other_seeds_have_no_findings(seed: int, folder: Path, data: Dataset) -> None:
    found = diagnose(train(planted_recipe(data, seed), data, folder / f"seed-{seed}"), data)
    assert not found.suspicious, found.to_text()
    assert found.sentence.startswith("Nothing is found wrong: R@10 of ")


def test_a_healthy_run_measured_again_has_no_findings(run: RunDirectory, data: Dataset) -> None:
    state = torch.random.get_rng_state()
    found = diagnose(run.path, data, split="test")
    assert not found.suspicious, found.to_text()
    assert torch.equal(state, torch.random.get_rng_state()), "a diagnosis draws nothing from anybody's generator"
    assert "converged" in found.sentence
    assert [e.what for e in found.looked_at][:2] == ["recipe, order, state", "planted, split test: T>V R@10"]


@pytest.mark.parametrize(("seed", "forge"), [(0, False), (0, True), (7, False), (7, True)])
def test_untrained_weights_in_the_model_file(
    seed: int, forge: bool, run: RunDirectory, data: Dataset, tmp_path: Path
) -> None:
    copy = with_other_weights(run, tmp_path / "copy", data, seed, forge=forge)
    found = diagnose(copy, data, split="test")
    assert first(found) == "weights"
    assert ("really loaded" in found.sentence) == forge
    assert any(finding.check == "score" and finding.severity == "symptom" for finding in found.findings)


def tuned(model: Model, data: Dataset, folder: Path, *, rate: float = 1e-30, epochs: int = 8) -> RunDirectory:
    config = fine_tune(model, data.spec, settings=FineTuning(epochs=epochs, learning_rate=rate))
    return run_experiment(config, data, folder, options=RunOptions(progress=False), initial=model)


def test_fine_tuning_is_not_compared_with_random_weights(run: RunDirectory, data: Dataset, tmp_path: Path) -> None:
    model = load(run.path)
    fine = tuned(model, data, tmp_path / "fine")
    found = diagnose(fine, data)
    assert not found.suspicious, found.to_text()
    changes = [str(evidence) for evidence in found.looked_at if "change of the weights" in evidence.what]
    assert changes == [f"change of the weights: unknown (the weights it started from, {model.identity}, are not kept)"]


def test_growth_before_fine_tuning_is_no_high_rate(run: RunDirectory, data: Dataset, tmp_path: Path) -> None:
    model = load(run.path)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.mul_(1000.0)
    grown = Model(model.config, model.encoder, hash_tensors(model.encoder.state_dict()))
    found = diagnose(tuned(grown, data, tmp_path / "grown", epochs=1), data)
    assert "learning rate too high" not in {finding.check for finding in found.findings}, found.to_text()


@pytest.mark.parametrize(("seed", "sure"), [(0, True), (7, False)])
def test_fine_tuned_weights_that_are_the_random_ones(
    seed: int, sure: bool, run: RunDirectory, data: Dataset, tmp_path: Path
) -> None:
    fine = tuned(load(run.path), data, tmp_path / "fine", epochs=1)
    state = build_model(replace(fine.record().config, seed=seed), data).state_dict()
    save_tensors(fine.model_file, state, {"hash": hash_tensors(state)})
    assert first(diagnose(fine, data)) == "weights"
    assert ("as random as before any training" in diagnose(fine, data).sentence) == sure
    fine.write_status(model=hash_tensors(state), stages=[])
    found = diagnose(fine, data)
    assert any("went on from another model" in finding.sentence for finding in found.findings) == sure, (
        "what another seed drew may be what the other model had learnt"
    )


def test_video_features_of_another_scale(run: RunDirectory, data: Dataset, tmp_path: Path) -> None:
    found = diagnose(run, data, evaluated_on=scaled_copy(data, tmp_path / "scaled", "video", 50.0))
    assert first(found) == "feature normalisation"
    assert "video features" in found.sentence
    assert "times as large" in found.sentence
    ratio = next(e for e in found.findings[0].evidence if e.what == "video: ratio of lengths")
    assert isinstance(ratio.found, float)
    assert 40 < ratio.found < 60


@pytest.mark.parametrize(("name", "told"), [("planted", True), ("other", False)])
def test_a_shift_that_another_collection_explains(
    name: str, told: bool, run: RunDirectory, data: Dataset, tmp_path: Path
) -> None:
    shutil.copytree(data.path, tmp_path / "moved")
    values = np.load(data.path / "video.npy")
    np.save(tmp_path / "moved/video.npy", values + np.float32(1.2) * values.std(axis=0))
    header = json.loads((tmp_path / "moved/dataset.json").read_text())
    (tmp_path / "moved/dataset.json").write_text(json.dumps({**header, "name": name}))
    found = diagnose(run, data, evaluated_on=Dataset.open(tmp_path / "moved"))
    assert any("come from the same network" in finding.sentence for finding in found.findings) == told, found.to_text()


def test_unknown_words(folder: Path) -> None:
    recipes = {}
    for share in (1.0, 0.3):
        data = worded_data(folder / f"words-{share}", share)
        recipes[share] = diagnose(train(worded_recipe(data), data, folder / f"worded-{share}"), data)
    assert not recipes[1.0].suspicious, recipes[1.0].to_text()
    assert first(recipes[0.3]) == "vocabulary"
    assert "only 30% of the words" in recipes[0.3].sentence


def test_one_epoch(run: RunDirectory, folder: Path, data: Dataset) -> None:
    short = train(planted_recipe(data), data, folder / "one", stages__0__epochs=1)
    found = diagnose(short, data)
    assert first(found) == "too few epochs"
    assert "1 epoch where 30 are usual" in found.sentence
    unknown = RunDirectory(shutil.copytree(short.path, folder / "one-unknown"))
    config = json.loads(unknown.config_file.read_text())
    unknown.config_file.write_text(json.dumps({**config, "changes": {}}))
    assert "ran 1 epoch, " in diagnose(unknown, data).sentence, "without the recipe, the score tells"
    beside = diagnose(unknown, data, against=run.path)
    assert first(beside) == "too few epochs"
    assert "where 30 are usual" in beside.sentence, "the other run says what is usual"
    worse = next(finding for finding in beside.findings if finding.check == "against another run")
    assert worse.severity == "warning"
    assert "stages.0.epochs 1 here, 30 there" in worse.sentence


@pytest.mark.parametrize(("factor", "check"), [(1000, "learning rate too high"), (1 / 1000, "learning rate too low")])
def test_a_learning_rate_that_is_wrong(factor: float, check: str, folder: Path, data: Dataset) -> None:
    recipe = planted_recipe(data)
    rate = factor * recipe.stages[0].optimizer.learning_rate
    found = diagnose(train(recipe, data, folder / f"rate-{factor}", **{RATE: rate}), data)
    assert first(found) == check
    assert f"{rate:g} in stage VT" in found.sentence


def test_training_that_broke_down(folder: Path, data: Dataset) -> None:
    recipe = heads(data.spec, "VT", 0)
    with pytest.raises(ProtocolError):
        train(recipe, data, folder / "broken", stages__0__optimizer__learning_rate=5.0)
    found = diagnose(folder / "broken", data)
    assert first(found) == "learning rate too high"
    assert "broke down" in found.sentence
    assert "Mend first what stopped the run" in found.findings[1].sentence


def test_the_command(run: RunDirectory, data: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    main(["diagnose", str(run.path), "--data", str(data.path)])
    out = capsys.readouterr().out
    assert out.startswith("Nothing is found wrong")
    assert "\nlooked at\n" in out
    main(
        [
            "diagnose",
            str(run.path),
            "--data",
            str(data.path),
            "--evaluated-on",
            str(data.path),
            "--split",
            "val",
            "--json",
        ]
    )
    found = json.loads(capsys.readouterr().out)
    assert found["findings"] == []
    assert any("split val" in line["what"] for line in found["looked_at"])


def test_what_cannot_be_diagnosed(run: RunDirectory, data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        diagnose(tmp_path, data)
    with pytest.raises(ConfigError, match="no split 'tset'"):
        diagnose(run, data, split="tset")
    unfinished = RunDirectory(shutil.copytree(run.path, tmp_path / "unfinished"))
    unfinished.model_file.unlink()
    unfinished.write_status(state="interrupted", stages=[])
    with pytest.raises(RunError, match="no finished model to measure"):
        diagnose(unfinished, data, split="test")
    assert "Let the run finish first" in diagnose(unfinished, data).sentence
