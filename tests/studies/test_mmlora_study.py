"""A whole study of MMLoRA on planted data: its table from saved answers, taken up again, failing, tampered with."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mmlora_cases import planted_dataset, short_study

from trichord.classification.directory import ClassifierDirectory
from trichord.data import Dataset
from trichord.errors import RunError, TrainingError
from trichord.evaluation.class_scores import ClassScores
from trichord.files import read_json
from trichord.reports.mmlora.plain import read_table
from trichord.reports.mmlora.record import MMLoRAReport
from trichord.runs import RunOptions
from trichord.studies.mmlora import planned, run_mmlora_study
from trichord.studies.mmlora.identity import KIND, VERSION, claim_folder

QUIET = RunOptions(progress=False)
PLAIN = short_study(ranks=(2,), num_seeds=1, controls=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a finished study of two seeds and two ranks, with all controls."""
    folder = tmp_path_factory.mktemp("mmlora")
    run_mmlora_study(short_study(), planted_dataset(folder / "data"), folder / "study", workers=1, options=QUIET)
    return folder


@pytest.fixture
def report(finished: Path) -> MMLoRAReport:
    return read_table(finished / "study" / "table.json")


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def again(folder: Path) -> MMLoRAReport:
    data = Dataset.open(folder / "data")
    return run_mmlora_study(short_study(), data, folder / "study", workers=1, options=QUIET).report


def numbers(report: MMLoRAReport) -> list[object]:
    """Everything of the rows that is no time."""
    return [
        (row.name, row.setting, row.validation, row.metrics, row.against, row.without, row.classes)
        for row in report.methods
    ]


def right(scores: ClassScores) -> float:
    """Share of right answers in percent, by hand: an item that was not held is wrong."""
    return 100.0 * float(np.mean((scores.logits.argmax(axis=1) == scores.truth) & scores.held))


def saved(folder: Path, split: str, name: str = "all") -> list[float]:
    return [right(ClassifierDirectory(run).scores(split, name)) for run in sorted(folder.glob("seed-*"))]


def test_every_row_is_what_the_saved_answers_say(finished: Path, report: MMLoRAReport) -> None:
    trained = [row for row in report.methods if row.family in ("expert", "head", "mmlora", "joint", "teacher")]
    assert len(trained) == 11
    for row in trained:
        place = "experts" if row.family == "expert" else "runs"
        folder = finished / "study" / place / row.name.replace(" ", "-").replace("(", "").replace(")", "")
        settings = sorted(
            (f for f in folder.glob("*") if not f.name.startswith("seed")), key=lambda f: float(f.name.split("-")[-1])
        ) or [folder]
        assert len(settings) == row.tries
        means = [np.mean(saved(setting, "val")) for setting in settings]
        chosen = settings[int(np.argmax(np.round(means, 9)))]
        assert row.validation == pytest.approx(max(means))
        assert row.setting.replace(" ", "-") == ("" if chosen == folder else chosen.name)
        assert row.at_edge == ("" if row.tries == 1 else "smallest" if chosen == settings[0] else "largest")
        assert row.metrics["accuracy"].value == pytest.approx(np.mean(saved(chosen, "test")))
        for gone, found in row.without.items():
            assert found.value == pytest.approx(np.mean(saved(chosen, "test", f"without {gone}")))


def test_the_ensemble_is_computed_from_the_experts_answers(finished: Path, report: MMLoRAReport) -> None:
    row = report.method("ensemble")
    parts, _, combines = row.setting.partition(", ")
    weights = {part.split()[1]: float(part.split()[0]) for part in parts.split(" + ")}
    found = []
    for seed in range(2):
        mixed: np.ndarray | float = 0.0
        for name, weight in weights.items():
            scores = ClassifierDirectory(finished / f"study/experts/expert-on-{name}/seed-{seed}").scores("test")
            exponents = np.exp(scores.logits.astype(np.float64))
            parts_of = scores.logits if combines == "logits" else exponents / exponents.sum(axis=1, keepdims=True)
            mixed = mixed + weight * parts_of
        found.append(100.0 * np.mean(np.argmax(mixed, axis=1) == scores.truth))
    assert row.metrics["accuracy"].value == pytest.approx(np.mean(found))
    assert row.without["video"] == report.method("expert on audio").metrics["accuracy"]


def test_the_report_is_whole(finished: Path, report: MMLoRAReport) -> None:
    assert report.title == "MMLoRA for mood on moods"
    assert report.items == {"train": 54, "val": 18, "test": 18}
    assert report.chance["accuracy"] == pytest.approx(100 / 3)
    mmlora = [row for row in report.methods if row.family == "mmlora"]
    assert report.best == max(mmlora[:3], key=lambda row: row.validation).name
    assert mmlora[3].name.endswith("over LoRA experts")
    assert [point.chosen for point in report.ranks].count(True) == len(mmlora) == 4
    assert {(line.modality, line.method) for line in report.under_training} == {
        (modality, method) for modality in ("video", "audio") for method in ("joint", "joint with teachers (UMT)")
    }
    by_rank = {point.method: point.rank for point in report.ranks if point.chosen}
    assert [(line.method, line.rank, line.smallest) for line in report.rank_effects] == [
        (row.name, 2, 1) for row in mmlora if by_rank[row.name] == 2
    ]
    joint, best = report.method("joint").cost, report.method("MMLoRA on all").cost
    assert best.epochs == joint.epochs == 6
    assert report.method("joint with teachers (UMT)").cost.epochs == 9
    assert best.trainable < joint.trainable == report.method("ensemble").cost.trainable
    alone = report.method("classifier alone")
    assert (alone.cost.epochs, alone.cost.trainable, alone.tries) == (6, 2 * (8 * 3 + 3), 2)
    assert alone.cost.trainable < best.trainable
    assert best.seconds_before > 0.0 == joint.seconds_before
    assert set(report.method("MMLoRA on all").against) == {
        "ensemble",
        "joint",
        "classifier alone",
        "linear probe on all",
    }
    assert set(alone.against) == {"ensemble", "joint"}
    assert report.sources == 6
    assert report.answers
    assert report.title in (finished / "study" / "report.html").read_text(encoding="utf-8")


def test_notes_say_how_long_and_among_what_each_row_learnt(report: MMLoRAReport) -> None:
    told = " ".join(report.notes)
    epochs = {row.name: row.cost.epochs for row in report.methods}
    assert (epochs["expert on video"], epochs["ensemble"], epochs["classifier alone"]) == (3, 3, 6)
    assert "experts 3, and so has their ensemble; MMLoRA and the classifier alone 3 + 3" in told
    assert "joint learning 6; that with teachers 3 + 6" in told
    assert "chosen among 3 rows of 2 settings, 6 in all, and joint learning among 2" in told
    assert "joint learning after 6 epochs against those of the experts after 3" in told
    assert "The 18 items of test come from 6 sources" in told


def test_the_experts_are_written_down_and_adapters_are_folders_of_peft(finished: Path) -> None:
    known = read_json(finished / "study" / "experts.json")
    assert len(known) == 12
    assert all((finished / "study" / folder / "model.safetensors").exists() for folder in known)
    adapter = finished / "study" / "runs" / "MMLoRA-on-all" / "rank-2" / "seed-0" / "adapters" / "video"
    assert json.loads((adapter / "adapter_config.json").read_text())["r"] == 2


def test_a_finished_study_trains_nothing_and_says_the_same(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_table(copied / "study" / "table.json")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is left to train")

    monkeypatch.setattr(planned, "run_classifier", refuse)
    assert numbers(again(copied)) == numbers(before)


def test_what_is_missing_is_trained_to_the_same_bits(copied: Path) -> None:
    before = read_table(copied / "study" / "table.json")
    for lost in ("experts/expert-on-audio/seed-1", "runs/MMLoRA-on-all/rank-1", "runs/joint"):
        shutil.rmtree(copied / "study" / lost)
    known = read_json(copied / "study" / "experts.json")
    del known["experts/expert-on-audio/seed-1"]  # its times differ; the bits of its weights decide below
    (copied / "study" / "experts.json").write_text(json.dumps(known))
    (copied / "study" / "table.json").unlink()
    assert numbers(again(copied)) == numbers(before)


def test_an_expert_that_changed_afterwards_is_not_stood_upon(copied: Path) -> None:
    file = next((copied / "study" / "experts").glob("expert-on-video/seed-0/metrics.jsonl"))
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(RunError, match=r"expert-on-video/seed-0.*are not what they were"):
        again(copied)


def test_an_expert_that_changes_while_others_learn_over_it_is_found_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, out = planned.run_classifier, tmp_path / "study"

    def meddle(config, dataset, folder, **more):  # type: ignore[no-untyped-def]
        found = real(config, dataset, folder, **more)
        if config.kind == "joint":
            with open(out / "experts" / "expert-on-audio" / "seed-0" / "metrics.jsonl", "a") as lines:
                lines.write("\n")
        return found

    monkeypatch.setattr(planned, "run_classifier", meddle)
    with pytest.raises(RunError, match=r"expert-on-audio/seed-0.*are not what they were"):
        run_mmlora_study(PLAIN, planted_dataset(tmp_path / "data"), out, workers=1, options=QUIET)
    assert not (out / "table.json").exists()


def test_experts_of_which_nothing_is_written_down_any_more_are_not_stood_upon(copied: Path) -> None:
    record = copied / "study" / "experts.json"
    record.unlink()
    with pytest.raises(RunError, match=r"experts\.json.*is gone.*runs/MMLoRA-on-video/rank-1/seed-0.*choose another"):
        again(copied)
    assert not record.exists()


def test_a_study_says_what_it_is_before_any_work_and_no_other_is_written_over_it(copied: Path) -> None:
    data, out = Dataset.open(copied / "data"), copied / "study"
    before = {file: file.read_bytes() for file in out.rglob("*.json")}
    told = read_json(out / "study.json")
    assert (told["label"], told["ranks"], told["data"]) == ("mood", [1, 2], data.fingerprint())
    original = short_study()
    assert original.settings is not None
    for other, said in (
        (replace(original, num_seeds=1), r"--seeds: \[0, 1\] there, \[0\] here"),
        (replace(original, ranks=(2,)), r"--ranks: \[1, 2\] there, \[2\] here"),
        (replace(original, modalities=("video",)), r"--modalities: .*'audio'.* there, \['video'\] here"),
        (replace(original, settings=replace(original.settings, weight_decay=0.5)), r"--set\.weight-decay: 0\.01 there"),
    ):
        with pytest.raises(RunError, match=rf"holds another study of MMLoRA .*{said}.*choose another --out"):
            run_mmlora_study(other, data, out, workers=1, options=QUIET)
    elsewhere = planted_dataset(copied / "elsewhere", seed=1)
    with pytest.raises(RunError, match=r"--data: .* there, .* here"):
        run_mmlora_study(original, elsewhere, out, workers=1, options=QUIET)
    assert {file: file.read_bytes() for file in out.rglob("*.json")} == before


def test_a_folder_grows_by_seeds_and_ranks_and_never_shrinks(tmp_path: Path) -> None:
    small = {"kind": KIND, "version": VERSION, "seeds": [0, 1], "ranks": [4], "label": "mood"}
    claim_folder(tmp_path, small)
    for here in ({**small, "seeds": [0, 1, 2]}, {**small, "seeds": [0, 1, 2], "ranks": [1, 4]}):
        claim_folder(tmp_path, here)
        assert read_json(tmp_path / "study.json") == here
        with pytest.raises(RunError, match=r"--seeds: \[0, 1, 2\] there, \[0, 1\] here"):
            claim_folder(tmp_path, small)
    with pytest.raises(RunError, match="--label: 'mood' there, 'word' here"):
        claim_folder(tmp_path, {**small, "seeds": [0, 1, 2, 3], "ranks": [1, 4], "label": "word"})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config.json", "{}", r"holds no study of MMLoRA \(it has config\.json\)"),
        ("table.json", "{}", r"holds no study of MMLoRA \(it has table\.json\)"),
        ("study.json", '{"task": "V>T"}', "holds another kind of study"),
        ("study.json", "[1]", "holds another kind of study"),
        ("study.json", "{", "cannot be read"),
    ],
)
def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path, name: str, text: str, said: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text(text)
    with pytest.raises(RunError, match=rf"{said}.*choose another --out"):
        run_mmlora_study(PLAIN, planted_dataset(tmp_path / "data"), out, workers=1, options=QUIET)
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [(name, text)]


def test_a_training_that_fails_is_named_and_leaves_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = planned.run_classifier

    def fail(config, dataset, out, **more):  # type: ignore[no-untyped-def]
        if config.kind == "joint":
            raise TrainingError("the loss is not finite")
        return real(config, dataset, out, **more)

    monkeypatch.setattr(planned, "run_classifier", fail)
    data = planted_dataset(tmp_path / "data")
    with pytest.raises(RunError, match=r"(?s)1 of 5 runs failed.*joint.*seed-0: the loss is not finite"):
        run_mmlora_study(PLAIN, data, tmp_path / "study", workers=1, options=QUIET)
    assert not (tmp_path / "study" / "table.json").exists()
    assert ClassifierDirectory(tmp_path / "study" / "runs" / "MMLoRA-on-all" / "rank-2" / "seed-0").finished
    monkeypatch.setattr(planned, "run_classifier", real)
    report = run_mmlora_study(PLAIN, data, tmp_path / "study", workers=1, options=QUIET).report
    assert report.method("joint").tries == 1


def test_items_of_several_classes_and_a_missing_modality(tmp_path: Path) -> None:
    data = planted_dataset(tmp_path / "data", several=True, missing=True)
    study = replace(PLAIN, several=True)
    report = run_mmlora_study(study, data, tmp_path / "study", workers=1, options=QUIET).report
    assert report.metrics == ("micro F1", "macro F1")
    test = data.split("test")
    alone = ClassifierDirectory(tmp_path / "study/experts/expert-on-audio/seed-0").scores("test")
    assert len(alone) == len(test)
    assert alone.held.tolist() == data.has("audio")[test].tolist()
    assert not alone.held.all()
    answered, wanted = (alone.logits > 0) & alone.held[:, None], alone.truth
    by_hand = 200.0 * (answered & wanted).sum() / (answered.sum() + wanted.sum())
    assert report.method("expert on audio").metrics["micro F1"].value == pytest.approx(by_hand)
    assert report.method("ensemble").confusion == ()


def test_one_modality_has_experts_probes_and_matrices(tmp_path: Path) -> None:
    data = planted_dataset(tmp_path / "data")
    study = replace(PLAIN, modalities=("V",))
    report = run_mmlora_study(study, data, tmp_path / "study", workers=1, options=QUIET).report
    assert [row.name for row in report.methods] == ["linear probe on video", "expert on video", "MMLoRA on video"]
    assert not any(row.against or row.without for row in report.methods)
    assert any("nothing to join" in note for note in report.notes)
