"""What a user types to measure under a name, to list the names and to look for leakage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from published_reference import Sizes, random_state

from trichord.cli.main import main
from trichord.data import Dataset
from trichord.data.generated import (
    CrossTaskConfig,
    WordVectorsConfig,
    YouCook2Config,
    write_crosstask,
    write_word_vectors,
    write_youcook2,
)
from trichord.data.importers.crosstask import CrossTaskImport, import_crosstask
from trichord.data.importers.youcook2 import YouCook2Import, import_youcook2
from trichord.data.planted import PlantedConfig, write_planted
from trichord.evaluation.named_protocols import PROTOCOLS
from trichord.evaluation.step_benchmark import CROSSTASK_STEPS, evaluate_step_benchmark
from trichord.evaluation.whole_video_benchmark import YOUCOOK2_WHOLE_VIDEO, evaluate_whole_video_benchmark
from trichord.files import read_json, write_json
from trichord.metrics.localisation import DECODERS
from trichord.metrics.whole_video import WAYS
from trichord.recipes.published import FRAMES, load_published
from trichord.reports.lab.figures import CHECKS
from trichord.reports.lab.other_figures import STEPS, WHOLE_VIDEO

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published checkpoint in small (e1.pth), and generated YouCook2 and CrossTask, imported."""
    folder = tmp_path_factory.mktemp("named")
    words = write_word_vectors(folder / "words.bin", WordVectorsConfig(dim=12, num_fillers=0)).file
    small = CrossTaskConfig(num_tasks=18, videos_of_task=1, steps=(2, 3), step_seconds=(2, 3))
    write_crosstask(folder / "c", small)
    import_crosstask(CrossTaskImport(features=folder / "c", out=folder / "crosstask", words=words, progress=False))
    write_youcook2(folder / "y", YouCook2Config(num_clips={"train": 12, "val": 24}, frames=(60, 90)))
    import_youcook2(YouCook2Import(features=folder / "y", out=folder / "youcook2", words=words, progress=False))
    torch.save(random_state(Sizes(video=4096, words=12)), folder / "e1.pth")
    return folder


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command; return exit status, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "100")

    def typed(*words: object) -> tuple[int, str, str]:
        status = 0
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return typed


def words_of(text: str) -> str:
    return " ".join(text.split())


# ---- evaluate --benchmark


def test_steps_under_their_name(made: Path, tmp_path: Path, type_in: Type) -> None:
    command = ("evaluate", made / "e1.pth", "--data", made / "crosstask", "--benchmark", "crosstask-steps")
    status, out, error = type_in(*command, "--out", tmp_path)
    assert (status, error) == (0, "")
    said = words_of(out)
    assert all(name in said for name in (*DECODERS, "mean of videos", "pooled", "mAP", "T>V", "T>A", "T>VA"))
    assert "18 videos of 18 tasks of crosstask, split test; left out because no step occurs in them: 0" in said
    assert "Not the published protocol" not in said
    assert all(f"{figure.method} ({figure.values[0]:.1f}) {figure.check}" in said for figure in STEPS)
    model = load_published(made / "e1.pth", evaluation_frames=1024, device="cpu")
    dataset = Dataset.open(made / "crosstask")
    scoring = model.config.evaluation.scoring
    result = evaluate_step_benchmark(model.encoder, dataset, CROSSTASK_STEPS, scoring)
    assert read_json(tmp_path / "crosstask-steps.json") == json.loads(json.dumps(result.to_dict()))
    for task, scores in result.galleries.items():
        assert scores.protocol.benchmark == "crosstask-steps"
        shown = CROSSTASK_STEPS.number(scores).value
        assert f"{'ordered'} {shown.value:.1f} ±{(shown.high - shown.low) / 2:.1f}" in said, task


def test_only_some_tasks_and_json(made: Path, type_in: Type) -> None:
    command = ("evaluate", made / "e1.pth", "--data", made / "crosstask", "--benchmark", "crosstask-steps")
    status, out, _ = type_in(*command, "--tasks", "T>V", "--json")
    assert status == 0
    found = json.loads(out)
    assert set(found["galleries"]) == {"T>V"}
    assert set(found["galleries"]["T>V"]["decoders"]) == set(DECODERS)


def test_whole_videos_under_their_name(made: Path, tmp_path: Path, type_in: Type) -> None:
    command = ("evaluate", made / "e1.pth", "--data", made / "youcook2", "--benchmark", "youcook2-whole-video")
    status, out, error = type_in(*command)
    assert (status, error) == (0, "")
    said = words_of(out)
    dataset = Dataset.open(made / "youcook2")
    num_videos = len({dataset.ids[item][:11] for item in dataset.split("test").tolist()})
    assert f"deviating: {num_videos} videos, where the benchmark has 436; 24 clips, where the benchmark has" in said
    assert all(way in said for way in WAYS)
    assert "MCN (53.4/75.0/81.4) quoted" in said
    status, out, _ = type_in(*command, "--json", "--out", tmp_path)
    found = json.loads(out)
    assert found == read_json(tmp_path / "youcook2-whole-video.json")
    model = load_published(made / "e1.pth", device="cpu")
    results = evaluate_whole_video_benchmark(
        model.encoder, dataset, YOUCOOK2_WHOLE_VIDEO, model.config.evaluation.scoring
    )
    assert found == json.loads(json.dumps({task: result.to_dict() for task, result in results.items()}))
    assert set(found) == {"T>V", "T>A", "T>VA"}


def test_clips_under_their_name_show_what_deviates(made: Path, tmp_path: Path, type_in: Type) -> None:
    command = ("evaluate", made / "e1.pth", "--data", made / "youcook2", "--benchmark", "youcook2-3350")
    status, out, _ = type_in(*command, "--out", tmp_path)
    assert status == 0
    assert "benchmark: youcook2-3350 (deviating: 24 items, where the benchmark has 3,350)" in words_of(out)
    assert (tmp_path / "T_to_VA.json").exists()


def test_a_model_of_two_modalities_is_measured_on_the_tasks_it_knows(tmp_path: Path, type_in: Type) -> None:
    write_planted(tmp_path / "data", PlantedConfig(num_items={"train": 60, "val": 20, "test": 20}))
    header = read_json(tmp_path / "data" / "dataset.json")
    write_json(tmp_path / "data" / "dataset.json", header | {"name": "lsmdc"})
    quick = ("--recipe", "heads", "--options.no-progress", "--set.stages.0.epochs", "1")
    for order in ("VT", "VA"):
        where = ("--data", tmp_path / "data", "--out", tmp_path / order)
        assert type_in("train", *where, "--order", order, *quick)[0] == 0
    under = ("--data", tmp_path / "data", "--benchmark", "lsmdc-1000")
    status, out, _ = type_in("evaluate", tmp_path / "VT", *under, "--json")
    assert status == 0
    found = json.loads(out)
    assert list(found) == ["T>V"]
    assert found["T>V"]["protocol"]["benchmark"] == "lsmdc-1000 (deviating: 20 items, where the benchmark has 1,000)"
    status, _, error = type_in("evaluate", tmp_path / "VA", *under)
    assert status == 1
    assert "none of them is made of A, V alone" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--benchmark", "crosstask-step"), "no benchmark 'crosstask-step'; did you mean 'crosstask-steps'?"),
        (("--benchmark", "crosstask-steps"), "crosstask-steps is measured on 'crosstask', these data are 'youcook2'"),
        (("--benchmark", "msrvtt-1k-A"), "msrvtt-1k-A is measured on 'msrvtt', these data are 'youcook2'"),
        (("--benchmark", "youcook2-3350", "--split", "val"), "says which split it takes; leave out --split"),
        (("--benchmark", "youcook2-3350", "--captions", "all"), "says which captions it takes; leave out --captions"),
        (("--benchmark", "youcook2-whole-video", "--tasks", "V>T"), "no task 'V>T'"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], said: str, made: Path, type_in: Type) -> None:
    status, out, error = type_in("evaluate", made / "e1.pth", "--data", made / "youcook2", *words)
    assert (status, out) == (1, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error


def test_help_names_every_protocol(type_in: Type) -> None:
    said = words_of(type_in("evaluate", "--help")[1])
    assert all(protocol.name in said for protocol in PROTOCOLS)
    assert "trichord benchmarks" in said


def test_checkpoints_are_cut_as_published_on_every_data_set_of_a_protocol() -> None:
    assert set(FRAMES) == {protocol.dataset for protocol in PROTOCOLS}


# ---- benchmarks


def test_every_protocol_is_listed(type_in: Type) -> None:
    status, out, _ = type_in("benchmarks")
    assert status == 0
    said = words_of(out)
    for protocol in PROTOCOLS:
        for part in (protocol.name, protocol.counted, protocol.misses, protocol.training, protocol.description):
            assert words_of(part) in said, protocol.name
        assert protocol.fingerprint() in said
    assert json.loads(type_in("benchmarks", "--json")[1]) == json.loads(
        json.dumps([protocol.to_dict() for protocol in PROTOCOLS])
    )


def test_quoted_figures_say_where_they_are_from() -> None:
    for figure in (*STEPS, *WHOLE_VIDEO):
        assert figure.check in CHECKS
        assert figure.source
        assert all(0 < value < 100 for value in figure.values)
        assert list(figure.values) == sorted(figure.values)


# ---- data leakage


def test_splits_of_a_data_set_share_no_video(made: Path, type_in: Type) -> None:
    data = made / "youcook2"
    status, out, _ = type_in("data", "leakage", f"{data}:train", f"{data}:test")
    assert status == 0
    assert out.startswith("No leakage: none of the ")
    status, out, _ = type_in("data", "leakage", f"{data}:train+test", f"{data}:test", "--json")
    assert status == 1
    found = json.loads(out)
    dataset = Dataset.open(data)
    assert set(found["shared"]) == {dataset.ids[item][:11] for item in dataset.split("test").tolist()}
    assert found["sentence"].startswith("LEAKAGE")


def test_lists_that_share_videos_end_with_status_one_and_name_twenty(tmp_path: Path, type_in: Type) -> None:
    shared = [f"video{number:02d}" for number in range(23)]
    (tmp_path / "train.csv").write_text("\n".join(["path", *(f"Food/x/{name}" for name in shared)]) + "\n")
    (tmp_path / "test.jsonl").write_text("".join(json.dumps({"vid": name}) + "\n" for name in [*shared, "other"]))
    status, out, _ = type_in("data", "leakage", tmp_path / "train.csv", tmp_path / "test.jsonl")
    assert status == 1
    assert out.startswith("LEAKAGE: 23 of the 24 videos of ")
    assert [line.strip() for line in out.splitlines() if line.startswith("  video")] == shared[:20]
    assert "and 3 more\n" in out
    assert "the field path (training) and the field vid (evaluated)" in out


def test_clip_ids_that_hide_leakage_are_pointed_out(tmp_path: Path, type_in: Type) -> None:
    (tmp_path / "train.jsonl").write_text('{"clip": "GLd3aX16zBg_90_102"}\n')
    (tmp_path / "test.csv").write_text("video_id\nGLd3aX16zBg\n")
    words = ("data", "leakage", tmp_path / "train.jsonl", tmp_path / "test.csv", "--field", "clip", "video_id")
    status, out, _ = type_in(*words)
    assert status == 1
    assert out.startswith("Whether videos of")
    assert "Look again: some ids are those of clips; by their first 11 characters the lists share 1. " in out
    status, out, _ = type_in(*words, "--characters", "11")
    assert status == 1
    assert "LEAKAGE: 1 of the 1 videos" in out


def test_mistakes_with_lists_are_one_line(tmp_path: Path, type_in: Type) -> None:
    (tmp_path / "a.csv").write_text("video_id\na\n")
    for words, said in (
        ((tmp_path / "a.csv", tmp_path / "a.csv"), "name a split of each"),
        ((tmp_path / "a.csv", tmp_path / "b.csv"), "does not exist"),
        ((tmp_path / "b.csv", tmp_path / "a.csv", "--field", "x", "y", "z"), "got 3"),
        ((tmp_path / "a.csv", f"{tmp_path}/a.csv:test"), "no 'split'"),
    ):
        status, out, error = type_in("data", "leakage", *words)
        assert (status, out, error.count("\n")) == (1, "", 1)
        assert said in error
