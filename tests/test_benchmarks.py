"""Every benchmark runs at a tiny size, and both sides of a comparison give the same answer; nothing is timed here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import __main__ as command
from benchmarks import published_import
from benchmarks.clip_corpus import CorpusSize, write_corpus
from benchmarks.clip_loading import load_ours, load_plainly, load_sharing
from benchmarks.cross_validation import cross_validate, fold_datasets
from benchmarks.evaluation_baseline import ranks_by_sorting
from benchmarks.evaluation_memory import run_apart
from benchmarks.evaluation_speed import ranks_by_counting
from benchmarks.evaluation_vectors import drawn_vectors
from benchmarks.narrated_baseline import load_item
from benchmarks.narrated_clips import narrated_clips
from benchmarks.narrated_corpus import NarratedSize, write_narrated
from benchmarks.outcome import NOT_APPLICABLE, Outcome, compared, not_applicable
from benchmarks.published_evaluation import (
    AS_PUBLISHED,
    embedded,
    evaluated,
    published_evaluation,
    ranks_plainly,
)
from benchmarks.training_baseline import PlainClusters
from benchmarks.training_data import StepSize, draw_features
from benchmarks.training_ours import build_both, cluster_of
from benchmarks.training_step import measure
from trichord.data import Dataset, collate
from trichord.data.planted import PlantedConfig, write_planted
from trichord.objectives.kmeans import refine

TINY = StepSize(batch_size=32, dim=96, num_clusters=8, clips_per_video=8)


def test_the_first_steps_of_both_sides_have_equal_losses() -> None:
    plain, ours, _ = build_both(TINY, "float32", "cpu")
    for step in range(3):
        features = draw_features(TINY, step)
        expected, found = plain.step(features), ours.step(features)
        assert set(found) == set(expected)
        for part, value in expected.items():
            assert found[part] == pytest.approx(value, rel=1e-4), (step, part)


def test_a_step_in_bfloat16_is_near_to_the_baseline() -> None:
    plain, ours, _ = build_both(TINY, "bfloat16", "cpu")
    features = draw_features(TINY, 0)
    assert ours.step(features)["contrast"] == pytest.approx(plain.step(features)["contrast"], rel=0.02)


def test_both_sides_start_from_a_full_memory_and_the_same_centroids() -> None:
    plain, ours, _ = build_both(TINY, "float32", "cpu")
    cluster = cluster_of(ours.system)
    assert int(cluster.memory.filled) == TINY.queue_rows == len(plain.clusters.queue)
    assert bool((plain.clusters.queue[-1] != 0).any())
    torch.testing.assert_close(plain.clusters.centroids, cluster.centroids)


def test_the_plain_k_means_comes_to_the_same_centroids() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(200, 6, generator=generator)
    plain = PlainClusters(rows[:100].clone(), rows[:4].clone(), refresh_every=1, clips_per_video=10)
    plain.labels(rows[100:])
    expected = refine(rows, rows[:4], spherical=False, max_iterations=100, tolerance=1e-4).centroids
    torch.testing.assert_close(plain.centroids, expected, rtol=1e-4, atol=1e-5)


def test_the_plain_queue_holds_the_first_half_of_every_video_newest_first() -> None:
    queue = torch.zeros(6, 1)
    plain = PlainClusters(queue, torch.ones(1, 1), refresh_every=20, clips_per_video=4)
    plain.labels(torch.arange(1.0, 9.0).unsqueeze(1))
    assert plain.queue[:, 0].tolist() == [1, 2, 5, 6, 0, 0]


def test_the_training_benchmark_runs() -> None:
    outcome = measure("training step", TINY, "float32", 1.0)
    assert outcome.ratio is not None
    assert outcome.ratio > 0


def test_loaded_clips_are_equal(tmp_path: Path) -> None:
    size = CorpusSize(num_videos=3, seconds=25, clips_per_video=2, width=8)
    corpus = write_corpus(tmp_path, size, compressed=True)
    items = np.array([4, 0, 3])
    plain, ours = load_plainly(corpus, items), load_ours(corpus, items)
    # Pooled vectors were divided by their length before they were stored in float16.
    torch.testing.assert_close(ours.features["video"].values, plain["video"], rtol=1e-3, atol=1e-3)
    audio = ours.features["audio"]
    assert torch.equal(audio.values, plain["audio"].transpose(1, 2))
    assert audio.lengths is not None
    assert audio.lengths.tolist() == plain["frames"].tolist() == [1000] * 3
    shared = load_sharing(corpus, np.array([2, 3]))
    assert torch.equal(shared["audio"][1], plain["audio"][2])


def test_narrated_clips_of_both_sides_are_equal(tmp_path: Path) -> None:
    corpus = write_narrated(tmp_path, NarratedSize(num_videos=3, num_drawn=2, seconds=40))
    tree, dataset = corpus.compressed, corpus.dataset
    assert len(set(tree.paths)) == len(set(dataset.source or [])) == 3
    path = tree.paths[2]
    name = Path(path).name
    rows = [row for row, source in enumerate(dataset.source or []) if source == name]
    assert len(rows) == len(tree.captions[name]["text"]) > 5
    plain = load_item(tree, path, np.arange(len(rows)))
    ours = collate(dataset, np.array(rows), ("video", "audio", "text"))
    torch.testing.assert_close(ours.features["video"].values, plain["video"], rtol=1e-6, atol=1e-7)
    audio, text = ours.features["audio"], ours.features["text"]
    assert audio.lengths is not None
    assert text.lengths is not None
    assert audio.lengths.tolist() == plain["frames"].tolist()
    padded = torch.nn.functional.pad(audio.values, (0, 0, 0, 1000 - audio.values.shape[1]))
    assert torch.equal(padded, plain["audio"].float().transpose(1, 2))
    words = dataset.words("text")
    assert words is not None
    for row, number in enumerate(text.lengths.tolist()):
        shown = min(number, 20)
        np.testing.assert_array_equal(words.vectors[text.values[row, :shown]], plain["text"][row, :shown])
        assert not plain["text"][row, shown:].any()
    for other in (
        load_item(corpus.stored, path, np.arange(len(rows))),
        load_item(tree, path, np.arange(len(rows)), open_per_clip=True),
    ):
        assert all(torch.equal(other[key], plain[key]) for key in plain)


def test_the_benchmark_of_narrated_clips_runs_quickly() -> None:
    outcome = narrated_clips(True)
    assert outcome.ratio is not None
    assert outcome.ratio > 0
    assert "files opened for every clip" in outcome.extra


def test_both_sides_read_the_published_pickle(tmp_path: Path) -> None:
    published_import.write_files(tmp_path, 2)
    published_import.import_pickle(tmp_path)
    dataset = Dataset.open(tmp_path / "dataset")
    loaded = published_import.load_pickle(tmp_path)
    assert isinstance(loaded, list)
    assert [entry["id"] for entry in loaded] == dataset.ids
    frames = dataset.read("audio", np.array([1])).values[0]
    np.testing.assert_array_equal(frames, loaded[1]["audio"].numpy().T.astype(np.float16))


def test_the_published_import_is_measured_apart(tmp_path: Path) -> None:
    assert 1e7 < published_import.run_apart("nothing", tmp_path)["peak"] < 1.5e9


def test_the_published_evaluation_gives_the_ranks_of_the_reference() -> None:
    tables = embedded(120, 64)
    found = evaluated(tables, AS_PUBLISHED).scores.rank
    assert np.array_equal(found - 1, ranks_plainly(tables))
    assert 1 < found.mean() < 60
    assert published_evaluation(True).baseline_seconds is not None


def test_ranks_are_equal() -> None:
    queries, gallery = drawn_vectors(300, 64, "queries"), drawn_vectors(300, 64, "gallery")
    expected = ranks_by_sorting(queries.numpy(), gallery.numpy())
    found = ranks_by_counting(queries, gallery)
    assert np.array_equal(found.greater, expected)
    assert 0 < np.median(expected) < 150, "neither perfect nor chance, else the case says little"


def test_the_memory_benchmark_reports_the_peak_of_a_process_of_its_own() -> None:
    found = run_apart(200, 16)
    assert 1e7 < found["peak"] < 1.5e9
    assert found["seconds"] > 0


def test_a_target_is_met_from_its_ratio_on() -> None:
    assert compared("a", "", 4.0, 1.0, 4.0, "").met is True
    assert compared("a", "", 3.9, 1.0, 4.0, "").met is False
    assert not_applicable("a", "", ">= 4x", "").met == NOT_APPLICABLE


def tiny_benchmark(quick: bool) -> Outcome:
    return compared("tiny benchmark", f"quick: {quick}", 3.0, 0.5, 4.0, "a further figure")


def test_the_command_prints_one_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ALL", (tiny_benchmark,))
    monkeypatch.setattr(command, "use_all_cores", lambda: None)
    command.main(["tiny-benchmark", "--quick", "--json", str(tmp_path / "found.json")])
    printed = capsys.readouterr().out
    assert "machine: " in printed
    line = next(line for line in printed.splitlines() if line.startswith("tiny benchmark "))
    assert line.split()[2:] == ["3.00", "s", "500.0", "ms", "6.00x", ">=", "4x", "yes", "quick:", "True"]
    written = json.loads((tmp_path / "found.json").read_text())
    assert written["outcomes"][0]["ratio"] == 6.0
    assert written["machine"]["cores"] >= 1


def test_an_unknown_benchmark_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["no-such-thing"])
    assert "clip-loading" in capsys.readouterr().err


def test_cross_validation_asks_for_every_item_once_and_never_for_a_test_item(tmp_path: Path) -> None:
    corpus = PlantedConfig(num_items={"train": 40, "val": 20, "test": 30})
    whole = write_planted(tmp_path / "data", corpus)
    asked: list[int] = []
    for dataset in fold_datasets(tmp_path / "data", ["train", "val"], 5, 0, tmp_path / "folds"):
        held, learnt = dataset.split("test"), dataset.split("train")
        assert len(held) == 12
        assert sorted([*held, *learnt]) == list(range(60))
        assert sorted(dataset.split("left out")) == whole.split("test").tolist()
        asked += held.tolist()
    assert sorted(asked) == list(range(60))


def test_cross_validation_reports_every_task(tmp_path: Path) -> None:
    write_planted(tmp_path / "data", PlantedConfig(num_items={"train": 40, "val": 20, "test": 30}))
    changes = {"stages.0.epochs": 2, "evaluation.scoring.num_resamples": 20}
    found = cross_validate(tmp_path / "data", "planted", "VT", changes, folds=2)
    assert set(found) == {"T>V", "V>T"}
    assert all(0 <= value <= 100 for metrics in found.values() for value in metrics.values())
