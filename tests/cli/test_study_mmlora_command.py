"""`trichord study mmlora`: one clear error for each kind of bad input before any work, and the whole way once."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trichord.cli.main import main
from trichord.cli.study_mmlora import gathered
from trichord.data import ModalityArrays, write_dataset
from trichord.reports.mmlora.plain import read_table

MOODS = ["calm", "glad", "sad"]


def features(items: int) -> dict[str, ModalityArrays]:
    random = np.random.default_rng(0)
    names = ("video", "audio")
    return {name: ModalityArrays(random.normal(size=(items, 4)).astype(np.float32)) for name in names}


def table(items: int = 30) -> dict[str, list[object]]:
    return {
        "id": [f"item {i}" for i in range(items)],
        "split": [("train", "train", "train", "val", "test")[i // 3 % 5] for i in range(items)],
        "mood": [MOODS[i % 3] for i in range(items)],
        "moods": [[MOODS[i % 3]] for i in range(items)],
    }


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Call the command on the data in `tmp_path / "data"` and return what it says; it must not have begun to work."""

    def call(*arguments: str) -> str:
        with pytest.raises(SystemExit) as stop:
            main(["study", "mmlora", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), *arguments])
        assert stop.value.code in (1, 2)
        assert not (tmp_path / "out").exists()
        said = capsys.readouterr().err
        assert said.count("error:") == 1
        return said

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", name="moods", items=table(), modalities=features(30)).path


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--label", "mod"], ["there is no label 'mod'", "mood"]),
        (["--label", "moods"], ["is a list", "--several"]),
        (["--label", "mood", "--several"], ["is 'calm'", "leave --several away"]),
        (["--label", "mood", "--modalities", "vido"], ["there is no modality 'vido'", "video"]),
        (["--label", "mood", "--modalities", "VX"], ["there is no modality 'VX'", "did you mean 'V'"]),
        (["--label", "mood", "--modalities", "VA", "audio"], ["named once", "audio"]),
        (["--label", "mood", "--report", "tst"], ["tst"]),
        (["--label", "mood", "--report", "val"], ["val", "a split serves one of these"]),
        (["--label", "mood", "--encoder", "video"], ["--encoder video: write MODALITY=FOLDER"]),
        (["--label", "mood", "--encoder", "video=a", "--encoder", "video=b"], ["video is given two encoders"]),
        (["--label", "mood", "--encoder", "vido=a"], ["there is no modality 'vido'"]),
        (["--label", "mood", "--encoder", "video=a"], ["video", "holds features", "raw"]),
        (["--label", "mood", "--ranks", "4", "4"], ["each named once"]),
        (["--label", "mood", "--seeds", "0"], ["at least one seed"]),
        (["--label", "mood", "--workers", "0"], ["workers"]),
        (["--label", "mood", "--targets", "nothing"], ["no layer of video matches targets 'nothing'"]),
        (["--label", "mood", "--lable", "mood"], ["there is no option --lable", "--label"]),
    ],
)
def test_bad_options_are_one_error_each(call: Callable[..., str], arguments: list[str], said: list[str]) -> None:
    told = call(*arguments)
    for part in said:
        assert part in told


def test_an_option_that_is_said_again_adds_to_what_was_said() -> None:
    said = ["--seeds", "2", "--encoder", "a=b", "c=d", "--json", "--encoder=e=f", "--ranks", "1", "4"]
    assert gathered(said, "--encoder") == [
        "--seeds",
        "2",
        "--json",
        "--ranks",
        "1",
        "4",
        "--encoder",
        "a=b",
        "c=d",
        "e=f",
    ]
    assert gathered(["--seeds", "2"], "--encoder") == ["--seeds", "2"]


@pytest.mark.parametrize(("split", "lost"), [("train", "glad"), ("val", "sad"), ("test", "calm")])
def test_a_split_without_a_class_is_named(call: Callable[..., str], tmp_path: Path, split: str, lost: str) -> None:
    rows = table()
    other = next(mood for mood in MOODS if mood != lost)
    for row, (place, mood) in enumerate(zip(rows["split"], rows["mood"], strict=True)):
        if place == split and mood == lost:
            rows["mood"][row] = other
    write_dataset(tmp_path / "data", name="moods", items=rows, modalities=features(30))
    told = call("--label", "mood")
    assert f"the class {lost!r} of the label 'mood' has no item in {split}" in told


def test_raw_inputs_without_an_encoder_and_a_checkpoint_that_is_none(call: Callable[..., str], tmp_path: Path) -> None:
    images = np.zeros((30, 4, 4, 3), np.uint8)
    write_dataset(
        tmp_path / "data", name="moods", items=table(), modalities={"video": ModalityArrays(images, kind="image")}
    )
    told = call("--label", "mood")
    assert "video" in told
    assert "name a pretrained one" in told
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "config.json").write_text(json.dumps({"model_type": "rwkv", "architectures": ["RwkvModel"]}))
    told = call("--label", "mood", "--encoder", f"video={strange}")
    assert "rwkv" in told


def test_the_whole_way(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", str(data), "--label", "mood", "--out", str(tmp_path / "out"), "--seeds", "1", "--ranks", "2"]
    options = ["--epochs", "2", "--no-controls", "--workers", "1", "--set.width", "8", "--options.no-progress"]
    main(["study", "mmlora", *arguments, *options, "--json"])
    printed = json.loads(capsys.readouterr().out)
    report = read_table(tmp_path / "out" / "table.json")
    assert printed == json.loads((tmp_path / "out" / "table.json").read_text())
    assert report.seeds == (0,)
    assert {point.rank for point in report.ranks} == {2}
    assert (tmp_path / "out" / "report.html").exists()
    assert report.method("joint").cost.epochs == 4
    assert "8 wide" in report.encoders["video"]


@pytest.mark.slow
def test_checkpoints_in_the_shape_of_vit_and_bert_train_through_the_same_command(tmp_path: Path) -> None:
    from tiny_backbones import raw_dataset, tiny_bert, tiny_vit

    data = raw_dataset(tmp_path / "data")
    encoders = [f"video={tiny_vit(tmp_path / 'vit')}", f"text={tiny_bert(tmp_path / 'bert')}"]
    arguments = ["--data", str(data.path), "--label", "colour", "--out", str(tmp_path / "out"), "--seeds", "1"]
    options = [
        "--ranks",
        "2",
        "--workers",
        "1",
        "--epochs",
        "4",
        "--set.learning-rate",
        "0.003",
        "--options.no-progress",
    ]
    main(["study", "mmlora", *arguments, "--encoder", encoders[0], *options, "--encoder", encoders[1]])
    report = read_table(tmp_path / "out" / "table.json")
    assert "vit" in report.encoders["video"]
    assert "bert" in report.encoders["text"]
    assert report.method("joint").metrics["accuracy"].value > 2 * report.chance["accuracy"]
    adapted = tmp_path / "out" / "runs" / "MMLoRA-on-all" / "rank-2" / "seed-0" / "adapters" / "video"
    targets = json.loads((adapted / "adapter_config.json").read_text())["target_modules"]
    assert targets
    # Query and value of two layers, 16 wide, at rank 2: two matrices of 2 x 16 each; and the two classifiers on top.
    matrices = 2 * 2 * 2 * (2 * 16 + 16 * 2)
    assert report.method("MMLoRA on all").cost.trainable == matrices + 2 * (16 * 3 + 3)
