"""The reproduction: from published files to the table of the lab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from published_reference import Sizes, audio_vectors, random_state, text_vectors, video_vectors
from reproduce_cases import WORDS, write_all

from trichord.cli.main import main
from trichord.config import replaced
from trichord.data import Dataset
from trichord.errors import ConfigError, DataError, RunError
from trichord.evaluation.result import load_result
from trichord.recipes import mcn, mcn_fixed_small
from trichord.recipes.fine_tune import YOUCOOK2, fine_tune
from trichord.reports.lab.figures import LAB, METRICS, PUBLISHED, show_quoted
from trichord.runs import RunOptions, load, run_experiment
from trichord.runs.initial import weights
from trichord.studies.explanations import against_published
from trichord.studies.published_data import PublishedFolders, find_words, open_folders
from trichord.studies.reproduce import benchmark_of

QUIET = ("--options.no-progress", "--workers", "1")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def out(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduced") / "out"
    main(
        [
            "reproduce",
            "--youcook2",
            str(published / "youcook2"),
            "--msrvtt",
            str(published / "msrvtt"),
            "--out",
            str(folder),
            "--epochs",
            "1",
            *QUIET,
        ]
    )
    return folder


def test_the_table_has_the_lab_s_rows_ours_and_the_published_ones(out: Path) -> None:
    table = json.loads((out / "table.json").read_text())
    assert [section["dataset"] for section in table["sections"]] == ["youcook2", "msrvtt"]
    for section in table["sections"]:
        assert [row["label"] for row in section["reproduction"]] == ["AV_T", "VT_A", "AT_V"]
        assert len(section["lab"]) == 6
        assert section["published"][0]["method"].startswith("random")
        assert section["protocol"]["regime"] == "from scratch"
        assert len(section["differences"]) == 3 * 2 * len(METRICS)


def test_ours_are_the_numbers_of_the_runs(out: Path) -> None:
    section = json.loads((out / "table.json").read_text())["sections"][0]
    for row in section["reproduction"]:
        folder = out / "runs/youcook2/from-scratch" / row["label"] / "seed-0/results/youcook2-youcook2-3350"
        measured = load_result(folder, "T>VA")
        for metric in METRICS:
            assert row["estimates"][metric]["value"] == pytest.approx(measured.metrics[metric].value)
            assert row["estimates"][metric]["low"] <= row["estimates"][metric]["value"]


def test_a_difference_is_ours_minus_the_quoted_figure(out: Path) -> None:
    for section in json.loads((out / "table.json").read_text())["sections"]:
        for difference in section["differences"]:
            ours = next(row for row in section["reproduction"] if row["label"] == difference["order"])
            estimate = ours["estimates"][difference["metric"]]
            figure = next(
                f for f in LAB[section["dataset"]] if (f.round, f.order) == (difference["round"], difference["order"])
            )
            quoted = figure.recalls[METRICS.index(difference["metric"])]
            assert difference["value"] == pytest.approx(estimate["value"] - quoted)
            assert difference["low"] == pytest.approx(estimate["low"] - quoted)


def test_another_number_of_clips_is_not_the_published_protocol(out: Path) -> None:
    youcook2, msrvtt = json.loads((out / "table.json").read_text())["sections"]
    assert youcook2["protocol"]["deviations"] == ["40 items, where the benchmark has 3,350"]
    assert "36 of them with video" in msrvtt["protocol"]["deviations"][1]
    assert "deviating" in youcook2["protocol"]["benchmark"]


def test_clips_that_are_absent_are_counted_as_misses(out: Path) -> None:
    result = load_result(out / "runs/msrvtt/from-scratch/VT_A/seed-0/results/msrvtt-msrvtt-1k-jsfusion", "T>VA")
    assert (result.num_queries, result.num_missing) == (40, 4)
    assert result.protocol.num_items == 40


def test_the_page_tells_quoted_from_measured_and_loads_nothing(out: Path) -> None:
    page = (out / "report.html").read_text()
    assert page.count("(quoted)") == 4
    assert "Not the published protocol" in page
    assert 'class="number quoted">1.10<' in page
    assert "http" not in page.replace("http-equiv", "")
    for link in ("youcook2-from-scratch.html", "msrvtt-from-scratch.html"):
        assert link in page
        assert (out / link).is_file()


def test_markdown_holds_every_quoted_figure(out: Path) -> None:
    text = (out / "table.md").read_text()
    for figures in LAB.values():
        for figure in figures:
            assert "/".join(figure.written) in text
    for rows in PUBLISHED.values():
        assert all(row.method in text for row in rows)


def test_too_few_epochs_are_noticed(out: Path) -> None:
    section = json.loads((out / "table.json").read_text())["sections"][0]
    assert all("epoch" in row["diagnosis"] for row in section["reproduction"])


def test_a_second_call_trains_and_measures_nothing(out: Path, published: Path, capsys: pytest.CaptureFixture) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/**/*") if path.is_file()}
    main(
        [
            "reproduce",
            "--youcook2",
            str(published / "youcook2"),
            "--msrvtt",
            str(published / "msrvtt"),
            "--out",
            str(out),
            "--epochs",
            "1",
            *QUIET,
        ]
    )
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/**/*") if path.is_file()} == before
    printed = capsys.readouterr().out
    assert "(1.61/5.97/9.43)" in printed
    assert "Published, zero-shot" in printed


@pytest.mark.slow
def test_narrated_video_gives_zero_shot_and_fine_tuned_rows(published: Path, tmp_path: Path) -> None:
    main(
        [
            "reproduce",
            "--youcook2",
            str(published / "youcook2"),
            "--howto100m",
            str(published / "howto100m"),
            "--out",
            str(tmp_path / "out"),
            "--epochs",
            "1",
            "--orders",
            "AT_V",
            *QUIET,
        ]
    )
    (section,) = json.loads((tmp_path / "out/table.json").read_text())["sections"]
    assert section["protocol"]["regime"] == "zero-shot"
    assert [row["label"] for row in section["reproduction"]] == ["AT_V"]
    assert [(row["label"], row["regime"]) for row in section["others"]] == [("AT_V", "fine-tuned")]
    fingerprints = section["protocol"]["fingerprints"]
    assert fingerprints["zero-shot"] != fingerprints["fine-tuned"]
    assert any("No leakage" in sentence and "howto100m" in sentence for sentence in section["explanations"])


@pytest.mark.slow
def test_changed_files_are_not_taken_for_the_old_ones(published: Path, tmp_path: Path) -> None:
    write_all(tmp_path / "p")
    folders = PublishedFolders({"youcook2": tmp_path / "p/youcook2"})
    first = open_folders(folders, tmp_path / "data", progress=False)["youcook2"].dataset
    assert open_folders(folders, tmp_path / "data", progress=False)["youcook2"].dataset.fingerprint() == (
        first.fingerprint()
    )
    with pytest.raises(DataError, match=r"made otherwise.*language: english there, english-or-lower-case now"):
        open_folders(replace(folders, language="english-or-lower-case"), tmp_path / "data", progress=False)
    train = tmp_path / "p/youcook2/youcook_train_audio.pkl"
    train.rename(tmp_path / "away.pkl")
    with pytest.raises(DataError, match="made otherwise"):
        open_folders(folders, tmp_path / "data", progress=False)
    (tmp_path / "away.pkl").rename(train)
    (tmp_path / "p/youcook2/youcook_val_audio.pkl").touch()
    with pytest.raises(DataError, match=r"youcook_val_audio.pkl is another file now"):
        open_folders(folders, tmp_path / "data", progress=False)


def test_missing_things_are_said_before_any_work(published: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no word vectors"):
        find_words(PublishedFolders({"youcook2": tmp_path}), {"youcook2": tmp_path})
    with pytest.raises(DataError, match="does not exist"):
        open_folders(PublishedFolders({"youcook2": tmp_path / "nowhere"}), tmp_path / "data")
    with pytest.raises(SystemExit):
        main(["reproduce", "--out", str(tmp_path / "out")])


def test_without_training_files_there_is_nothing_to_train_on(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "youcook2"
    folder.mkdir()
    (folder / "youcook_val_audio.pkl").write_bytes((published / "youcook2/youcook_val_audio.pkl").read_bytes())
    with pytest.raises(SystemExit):
        main(["reproduce", "--youcook2", str(folder), "--words", str(published / WORDS), "--out", str(tmp_path / "o")])


def test_fine_tuning_starts_from_the_weights_it_names(out: Path) -> None:
    model = load(out / "runs/youcook2/from-scratch/AT_V/seed-0")
    dataset = Dataset.open(out / "data/youcook2")
    config = fine_tune(model, dataset.spec, settings=replace(YOUCOOK2, epochs=1, learning_rate=1e-9))
    with pytest.raises(RunError, match="starts from the weights"):
        run_experiment(config, dataset, out / "tuned", options=RunOptions(progress=False))
    other = load(out / "runs/youcook2/from-scratch/VT_A/seed-0")
    with pytest.raises(RunError, match="starts from the weights"):
        run_experiment(config, dataset, out / "tuned", options=RunOptions(progress=False), initial=other)
    run_experiment(config, dataset, out / "tuned", options=RunOptions(progress=False), initial=model)
    tuned = load(out / "tuned")
    for name in ("video", "text"):
        for key, tensor in weights(tuned.encoder, name).items():
            np.testing.assert_allclose(
                tensor.detach().numpy(), weights(model.encoder, name)[key].detach().numpy(), atol=1e-5
            )


def test_fine_tuning_reads_captions_by_other_words(out: Path, published: Path, tmp_path: Path) -> None:
    model = load(out / "runs/youcook2/from-scratch/AT_V/seed-0")
    dataset = Dataset.open(out / "data/msrvtt")
    config = replace(
        fine_tune(model, dataset.spec, settings=replace(YOUCOOK2, epochs=1)),
        selection=replace(fine_tune(model, dataset.spec).selection, split=None),
    )
    run_experiment(config, dataset, tmp_path / "run", options=RunOptions(progress=False), initial=model)
    tuned = load(tmp_path / "run")
    table = dataset.words("text")
    assert table is not None
    np.testing.assert_array_equal(tuned.encoder.encoder("text").table.numpy(), table.vectors)


def test_fine_tuning_needs_text(out: Path) -> None:
    model = load(out / "runs/youcook2/from-scratch/AT_V/seed-0")
    spec = Dataset.open(out / "data/youcook2").spec
    silent = replace(spec, modalities=tuple(entry for entry in spec.modalities if entry.modality.name != "text"))
    with pytest.raises(ConfigError, match="pulls text"):
        fine_tune(model, silent)


def test_the_recipe_of_narrated_video_draws_clips_by_video(out: Path, published: Path, tmp_path: Path) -> None:
    folders = PublishedFolders({"howto100m": published / "howto100m"}, words=published / WORDS)
    dataset = open_folders(folders, tmp_path, progress=False)["howto100m"].dataset
    config = mcn_fixed_small(dataset.spec, "AT_V")
    assert [stage.items_per_source for stage in config.stages] == [8, 8]
    assert config.stages[0].objective.parts["contrast"].mask_overlaps
    clips = Dataset.open(out / "data/youcook2")
    assert mcn_fixed_small(clips.spec, "AT_V").stages[0].items_per_source is None


def test_a_published_checkpoint_is_a_row_of_its_own(published: Path, tmp_path: Path) -> None:
    state = random_state(Sizes(video=4096, words=300))
    torch.save(state, tmp_path / "e3.pth")
    folder = tmp_path / "youcook2"
    folder.mkdir()
    (folder / "youcook_val_audio.pkl").write_bytes((published / "youcook2/youcook_val_audio.pkl").read_bytes())
    words = ("--words", str(published / WORDS))
    main(
        [
            "reproduce",
            "--youcook2",
            str(folder),
            *words,
            "--checkpoint",
            str(tmp_path / "e3.pth"),
            "--out",
            str(tmp_path / "out"),
            *QUIET,
        ]
    )
    (section,) = json.loads((tmp_path / "out/table.json").read_text())["sections"]
    (row,) = section["reproduction"]
    assert row["label"] == "e3.pth (VAT)"
    dataset = Dataset.open(tmp_path / "out/data/youcook2")
    items = dataset.split("test")
    table, captions = dataset.words("text"), dataset.read("text", np.arange(len(items)))
    assert table is not None
    assert captions.lengths is not None
    sentences = [
        torch.from_numpy(np.array(table.vectors[ids[:length]]))
        for ids, length in zip(captions.values, captions.lengths, strict=True)
    ]
    frames = dataset.read("audio", np.arange(len(items)))
    assert frames.lengths is not None
    clips = [torch.from_numpy(v[:n].copy()) for v, n in zip(frames.values, frames.lengths, strict=True)]
    video = video_vectors(state, torch.from_numpy(dataset.read("video", np.arange(len(items))).values))
    scores = text_vectors(state, sentences) @ (video + audio_vectors(state, clips, 5120)).T
    ranks = (scores > scores.diagonal()[:, None]).sum(dim=1)
    assert row["estimates"]["R@10"]["value"] == pytest.approx(100 * float((ranks < 10).float().mean()), abs=1e-6)


def test_the_training_list_decides_the_protocol_of_msrvtt(out: Path, published: Path, tmp_path: Path) -> None:
    small = Dataset.open(out / "data/msrvtt")
    assert small.split("train", "val").size < 100
    assert benchmark_of("msrvtt", small).name == "msrvtt-1k-jsfusion"
    folder = tmp_path / "msrvtt"
    folder.mkdir()
    for name in ("msrvtt_1k-A_train.pkl", "msrvtt_jsfusion_test.pkl", "msrvtt_1kA_test.csv"):
        (folder / name).write_bytes((published / "msrvtt" / name).read_bytes())
    folders = PublishedFolders({"msrvtt": folder}, words=published / WORDS)
    large = open_folders(folders, tmp_path / "data", progress=False)["msrvtt"].dataset
    assert benchmark_of("msrvtt", large).name == "msrvtt-1k-A"


def test_fine_tuning_on_other_word_vectors_is_refused(out: Path, tmp_path: Path) -> None:
    model = load(out / "runs/youcook2/from-scratch/AT_V/seed-0")
    spec = Dataset.open(out / "data/youcook2").spec
    foreign = tuple(
        replace(entry, words=replace(entry.words, fingerprint="another")) if entry.words else entry
        for entry in spec.modalities
    )
    with pytest.raises(ConfigError, match="other word vectors"):
        fine_tune(model, replace(spec, modalities=foreign))


@pytest.mark.slow
def test_an_order_without_sound_is_measured_on_what_it_has(published: Path, tmp_path: Path) -> None:
    arguments = ["reproduce", "--youcook2", str(published / "youcook2"), "--out", str(tmp_path / "out")]
    main([*arguments, "--orders", "VT", "AT_V", "--epochs", "1", *QUIET])
    (section,) = json.loads((tmp_path / "out/table.json").read_text())["sections"]
    assert [row["label"] for row in section["reproduction"]] == ["AT_V"]
    assert load_result(
        tmp_path / "out/runs/youcook2/from-scratch/VT/seed-0/results/youcook2-youcook2-3350", "T>V"
    ).num_queries


def test_only_published_settings_are_called_published(out: Path) -> None:
    dataset = Dataset.open(out / "data/youcook2")
    config = mcn(dataset.spec, "VAT")
    assert "all settings are those published" in against_published(config, dataset)
    assert "2 stages where one was published" in against_published(mcn(dataset.spec, "AV_T"), dataset)
    changed = replaced(config, {"stages.0.epochs": 2})
    assert "2 epochs (30); 1 settings differ" in against_published(changed, dataset)


def test_mistakes_are_said_before_anything_is_imported(published: Path, tmp_path: Path, capsys) -> None:
    start = ["reproduce", "--youcook2", str(published / "youcook2"), "--out", str(tmp_path / "out")]
    for options, said in (
        (["--orders", "AV_X"], "X"),
        (["--epochs", "0"], "--epochs is at least 1"),
        (["--msrvtt", str(published / "youcook2")], "msrvtt_jsfusion_test.pkl"),
    ):
        with pytest.raises(SystemExit):
            main([*start, *options])
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_a_ready_data_set_of_another_name_is_refused(out: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="this is the data set 'youcook2'"):
        open_folders(PublishedFolders({"msrvtt": out / "data/youcook2"}), tmp_path)


def test_a_checkpoint_that_is_not_there_is_noticed_before_training(out: Path, tmp_path: Path) -> None:
    arguments = ["reproduce", "--youcook2", str(out / "data/youcook2"), "--checkpoint", str(tmp_path / "no.pth")]
    with pytest.raises(SystemExit):
        main([*arguments, "--out", str(tmp_path / "o"), "--epochs", "1", *QUIET])
    assert not (tmp_path / "o/runs").exists()


def test_published_figures_keep_their_decimals() -> None:
    assert [show_quoted(value) for value in (38.0, 0.03, 10.5, None)] == ["38.0", "0.03", "10.5", "–"]
