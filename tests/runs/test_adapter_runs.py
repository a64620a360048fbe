"""Adapters in runs: over a base that stays as it is, and together with one; taken up again after any stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from run_cases import TINY, tiny_dataset, tiny_experiment
from safetensors.torch import load_file
from torch import nn

from trichord.adapters.identity import load_identity
from trichord.adapters.saved import SETTINGS_FILE, WEIGHTS_FILE
from trichord.adapters.settings import BASE, LowRankConfig
from trichord.config import replaced
from trichord.curricula import training_mode
from trichord.data import Dataset, ModalityArrays, write_dataset
from trichord.data.planted import plant
from trichord.encoders import JointEncoderConfig, LinearHeadConfig, WordPoolConfig
from trichord.errors import ConfigError, DataError, RunError, TrainingError
from trichord.evaluation import evaluate
from trichord.files import hash_tensors, read_json
from trichord.modality import STANDARD, Pair, Task, parse_pair, parse_task
from trichord.recipes.adapt import Adaptation, adapt, together
from trichord.runs import ExperimentConfig, Model, RunDirectory, RunOptions, load, run_experiment
from trichord.runs.preprocessing import preprocessing_of
from trichord.runs.recorder import Recorder
from trichord.runs.run import build_model
from trichord.training.loop import Position

PAIR = Pair(("video",), ("text",))
LOW_RANK = LowRankConfig(rank=2, alpha=4.0, dropout=0.2)
QUIET = RunOptions(progress=False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def base_folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "run"
    config = tiny_experiment(dataset, "AVT", **{"stages.0.epochs": 1})
    return run_experiment(config, dataset, folder, options=QUIET).path


@pytest.fixture(scope="module")
def base(base_folder: Path) -> Model:
    return load(base_folder, device="cpu")


def adapting(
    base: Model, dataset: Dataset, low_rank: LowRankConfig = LOW_RANK, pair: Pair = PAIR, **changes: object
) -> ExperimentConfig:
    settings = Adaptation(low_rank=low_rank, learning_rate=0.01, epochs=2)
    config = adapt(base, dataset.spec, pair, settings=settings)
    return replaced(config, {"stages.0.batch_size": 48, "stages.0.evaluate_every": 2, **changes})


@pytest.fixture(scope="module")
def adapted(base: Model, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    folder = tmp_path_factory.mktemp("adapted") / "VT"
    return run_experiment(adapting(base, dataset), dataset, folder, options=QUIET, initial=base)


def joint(dataset: Dataset, low_rank: LowRankConfig = LOW_RANK, **changes: object) -> ExperimentConfig:
    config = tiny_experiment(dataset, "AVT", **{"stages.0.epochs": 2, "stages.0.batch_size": 48, **changes})
    return together(config, [parse_pair(pair, STANDARD) for pair in ("VT", "AT")], low_rank)


@pytest.fixture(scope="module")
def learnt_together(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return run_experiment(joint(dataset), dataset, tmp_path_factory.mktemp("together") / "run", options=QUIET)


def results_of(directory: RunDirectory) -> dict[str, object]:
    return {path.name: read_json(path) for path in directory.results_folder("test").glob("*.json")}


def measured_again(model: Model, dataset: Dataset, config: ExperimentConfig, adapter: str) -> dict[str, object]:
    tasks = [parse_task(spelling, config.modalities) for spelling in config.tasks]
    with model.bank.using(adapter) as encoder:
        found = evaluate(encoder, dataset, "test", tasks, config.evaluation.scoring)
    return {f"{task.replace('>', '_to_')}.json": result.to_dict() for task, result in found.items()}


def test_an_adapter_run_leaves_its_base_alone_and_says_what_it_is(
    adapted: RunDirectory, base: Model, base_folder: Path, dataset: Dataset
) -> None:
    assert hash_tensors(load_file(base_folder / "model.safetensors")) == base.identity == base.bank.base_hash()
    identity, status = load_identity(adapted.path), adapted.status()
    assert (identity.name, identity.sides, identity.learnt) == ("VT", ("video", "text"), "after the base")
    assert identity.base == base.identity == status["model"]
    assert status["adapters"] == {"VT": identity.hash}
    assert (identity.dataset, identity.dataset_fingerprint) == (dataset.spec.name, dataset.fingerprint())
    config = adapted.record().config
    assert (identity.fit_splits, identity.selected_on) == (config.fit_splits, config.selection.split)
    stage, before = status["stages"][0], RunDirectory(base_folder).status()["stages"][0]
    assert set(stage["frozen"]) == {"video", "text"}
    assert stage["handover"] == {name: before["handover"][name] for name in ("video", "text")}
    assert (stage["train"], stage["adapters"]) == ([], ["VT"])
    files = {path.name for path in adapted.path.iterdir()}
    assert {WEIGHTS_FILE, SETTINGS_FILE, "adapter_identity.json", "config.json"} <= files
    assert "model.safetensors" not in files
    assert "checkpoint.safetensors" not in files
    peft = read_json(adapted.path / SETTINGS_FILE)
    assert (peft["peft_type"], peft["r"], peft["lora_alpha"], peft["lora_dropout"]) == ("LORA", 2, 4.0, 0.2)


def test_what_was_measured_is_what_the_saved_folder_gives_over_the_base(
    adapted: RunDirectory, base_folder: Path, dataset: Dataset
) -> None:
    config, model = adapted.record().config, load(base_folder, device="cpu")
    bare = measured_again(model, dataset, config, BASE)
    assert model.load_adapter(adapted.path) == "VT"
    found = results_of(adapted)
    assert set(found) == {"V_to_T.json", "T_to_V.json"}
    assert measured_again(model, dataset, config, "VT") == found != bare
    assert measured_again(model, dataset, config, BASE) == bare
    terms = {name for line in adapted.metrics() if line["kind"] == "step" for name in line["terms"]}
    assert terms == {"VT/contrast/video-text"}


def test_only_the_modalities_of_the_pair_need_be_there(base: Model, tmp_path: Path) -> None:
    corpus = plant(TINY)
    items = {"id": [str(i) for i in range(len(corpus.splits))], "split": corpus.splits}
    held = {name: ModalityArrays(corpus.features[name][:, 0]) for name in ("video", "text")}
    without_audio = write_dataset(tmp_path / "data", name="silent", items=items, modalities=held)
    config = adapting(base, without_audio)
    run = run_experiment(config, without_audio, tmp_path / "run", options=QUIET, initial=base)
    assert load_identity(run.path).dataset == "silent"
    for wrong, who in ((parse_pair("AT", STANDARD), "data silent"), (Pair(("video",), ("depth",)), "data silent")):
        with pytest.raises(ConfigError, match=rf"the pair needs .* which the {who} lacks"):
            adapt(base, without_audio.spec, wrong)


class StoppedError(Exception):
    pass


def stop_at(
    monkeypatch: pytest.MonkeyPatch, position: Position, error: type[BaseException] = KeyboardInterrupt
) -> None:
    original = Recorder.at_boundary

    def at_boundary(self: Recorder, upcoming: Position) -> None:
        if upcoming == position:
            raise error
        original(self, upcoming)

    monkeypatch.setattr(Recorder, "at_boundary", at_boundary)


def tensors_of(directory: RunDirectory) -> dict[str, torch.Tensor]:
    files = sorted(directory.path.rglob("*.safetensors"))
    return {f"{file.relative_to(directory.path)}:{k}": v for file in files for k, v in load_file(file).items()}


def assert_same(one: RunDirectory, other: RunDirectory) -> None:
    tensors, again = tensors_of(one), tensors_of(other)
    assert set(tensors) == set(again)
    assert all(torch.equal(tensors[name], again[name]) for name in tensors)
    assert results_of(one) == results_of(other)
    lines, repeated = one.metrics(), other.metrics()
    for line in [*lines, *repeated]:
        line.pop("items_per_second", None)
    assert lines == repeated
    assert one.status()["adapters"] == other.status()["adapters"]


def interrupted_and_resumed(
    config: ExperimentConfig,
    dataset: Dataset,
    folder: Path,
    position: Position,
    initial: Model | None,
    options: RunOptions = QUIET,
) -> RunDirectory:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, position)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config, dataset, folder, options=options, initial=initial)
    assert RunDirectory(folder).status()["state"] == "interrupted"
    assert (folder / "checkpoint.safetensors").exists()
    return run_experiment(config, dataset, folder, options=options, initial=initial)


PISSA = replace(LOW_RANK, initial="pissa")
EVERY_STEP, EVERY_SECOND = replace(QUIET, checkpoint_steps=1), replace(QUIET, checkpoint_steps=2)
FAST_LORA = {"stages.0.optimizer.matrix_b_ratio": 8.0, "stages.0.optimizer.warmup_steps": 2}


@pytest.mark.parametrize(
    ("low_rank", "changes", "position", "options"),
    [
        pytest.param(LOW_RANK, {}, Position(0, 1, 1), EVERY_STEP, id="kaiming, best, within an epoch"),
        pytest.param(LOW_RANK, {"stages.0.keep": "last"}, Position(0, 2, 0), EVERY_SECOND, id="kaiming, last, end"),
        pytest.param(PISSA, {"stages.0.evaluate_every": 1}, Position(0, 1, 1), EVERY_SECOND, id="pissa, best"),
        pytest.param(LOW_RANK, FAST_LORA, Position(0, 1, 0), EVERY_STEP, id="LoRA+"),
    ],
)
def test_an_interrupted_adapter_is_taken_up_bit_equal(
    low_rank: LowRankConfig,
    changes: dict[str, object],
    position: Position,
    options: RunOptions,
    base: Model,
    dataset: Dataset,
    tmp_path: Path,
) -> None:
    config = adapting(base, dataset, low_rank, **changes)
    whole = run_experiment(config, dataset, tmp_path / "whole", options=QUIET, initial=base)
    assert_same(whole, interrupted_and_resumed(config, dataset, tmp_path / "parts", position, base, options))
    assert whole.status()["stages"][0]["kept"] == config.stages[0].keep
    assert base.bank.base_hash() == base.identity


@pytest.mark.parametrize(
    ("low_rank", "keep"), [(LOW_RANK, "best"), (PISSA, "last")], ids=["kaiming, best", "pissa, last"]
)
def test_a_run_with_adapters_is_taken_up_bit_equal(
    low_rank: LowRankConfig, keep: str, dataset: Dataset, tmp_path: Path, learnt_together: RunDirectory
) -> None:
    config = joint(dataset, low_rank, **{"stages.0.keep": keep})
    if low_rank == LOW_RANK:
        whole = learnt_together
    else:
        whole = run_experiment(config, dataset, tmp_path / "whole", options=QUIET)
    assert_same(
        whole, interrupted_and_resumed(config, dataset, tmp_path / "parts", Position(0, 1, 1), None, EVERY_STEP)
    )


def test_a_base_that_moves_while_its_adapter_learns_stops_the_run(
    base: Model, dataset: Dataset, tmp_path: Path
) -> None:
    def move(self: Recorder, upcoming: Position) -> None:
        with torch.no_grad():
            next(p for n, p in self.system.model.named_parameters() if "lora" not in n).view(-1)[0] += 1e-3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "at_boundary", move)
        with pytest.raises(TrainingError, match=r"stage VT: the frozen encoders \['video'\] moved"):
            run_experiment(adapting(base, dataset), dataset, tmp_path / "run", options=QUIET, initial=base)
    assert not (tmp_path / "run" / "adapter_identity.json").exists()


def test_a_checkpoint_of_other_moments_would_be_noticed(
    adapted: RunDirectory, base: Model, dataset: Dataset, tmp_path: Path
) -> None:
    """The comparison above is no matter of course: without the optimizer's memory the run ends elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trichord.training.checkpoint.restore_optimizer", lambda *_: None)
        parts = interrupted_and_resumed(
            adapting(base, dataset), dataset, tmp_path / "parts", Position(0, 1, 1), base, EVERY_STEP
        )
    with pytest.raises(AssertionError):
        assert_same(adapted, parts)


def test_a_pissa_start_is_saved_as_an_ordinary_adapter_that_gives_what_was_measured(
    base_folder: Path, dataset: Dataset, tmp_path: Path
) -> None:
    model = load(base_folder, device="cpu")
    config = adapting(model, dataset, PISSA)
    run = run_experiment(config, dataset, tmp_path / "VT", options=QUIET, initial=model)
    peft = read_json(run.path / SETTINGS_FILE)
    assert (peft["r"], peft["init_lora_weights"]) == (4, True)
    model.load_adapter(run.path)
    found = measured_again(model, dataset, config, "VT")
    for name, result in results_of(run).items():
        assert isinstance(result, dict)
        for metric, estimate in result["metrics"].items():
            assert found[name]["metrics"][metric]["value"] == pytest.approx(estimate["value"], abs=1e-3)


def test_learnt_together_everything_learns_and_is_saved_apart(learnt_together: RunDirectory, dataset: Dataset) -> None:
    state = load_file(learnt_together.model_file)
    assert not [name for name in state if "lora" in name or "base_layer" in name]
    at_start = build_model(joint(dataset), dataset).state_dict()
    for name in ("video", "audio", "text"):
        matrices = [key for key in state if key.startswith(f"encoders.{name}.") and key.endswith("weight")]
        assert any(not torch.equal(state[key], at_start[key]) for key in matrices), f"{name} learns"
    for adapter, sides in (("VT", {"video", "text"}), ("AT", {"audio", "text"})):
        own = load_file(learnt_together.adapter_folder(adapter) / WEIGHTS_FILE)
        matrices_b = {key: tensor for key, tensor in own.items() if ".lora_B." in key}
        assert {key.split(".encoders.")[1].split(".")[0] for key in own} == sides
        assert matrices_b
        assert all(bool(tensor.any()) for tensor in matrices_b.values()), "a B starts from zero"
    terms = {name for line in learnt_together.metrics() if line["kind"] == "step" for name in line["terms"]}
    assert {"VT/contrast/video-text", "AT/contrast/audio-text", "contrast/video-audio"} <= terms
    assert not {"contrast/video-text", "contrast/audio-text"} & terms


def test_a_run_with_adapters_loads_them_and_gives_what_was_measured(
    learnt_together: RunDirectory, dataset: Dataset
) -> None:
    model = load(learnt_together.path, device="cpu")
    assert model.adapters == ("AT", "VT")
    assert model.identity == hash_tensors(load_file(learnt_together.model_file))
    for name in model.adapters:
        identity = model.bank.identity(name)
        assert (identity.base, identity.learnt) == (model.identity, "together with the base")
    config, found = learnt_together.record().config, results_of(learnt_together)
    under = {name: measured_again(model, dataset, config, name) for name in (*model.adapters, BASE)}
    owners = {"V_to_T": "VT", "T_to_V": "VT", "A_to_T": "AT", "T_to_A": "AT", "T_to_VA": BASE, "V_to_A": BASE}
    for task, owner in owners.items():
        assert found[f"{task}.json"] == under[owner][f"{task}.json"], f"{task} is measured under {owner}"
    assert under["VT"]["V_to_T.json"] != under[BASE]["V_to_T.json"]


def test_an_adapter_of_one_side_leaves_the_other_as_it_is(base_folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    model = load(base_folder, device="cpu")
    config = adapt(model, dataset.spec, PAIR, settings=Adaptation(LOW_RANK, sides=("text",), epochs=1))
    run = run_experiment(config, dataset, tmp_path / "T", options=QUIET, initial=model)
    keys = load_file(run.path / WEIGHTS_FILE)
    assert {key.split(".encoders.")[1].split(".")[0] for key in keys} == {"text"}
    assert load_identity(run.path).sides == ("text",)
    draws = np.random.default_rng(0)
    features = {n: draws.normal(size=(5, model.encoder.encoder(n).input_dim)) for n in ("video", "audio", "text")}
    before = model.encode(features)
    model.load_adapter(run.path)
    after = model.encode(features, adapter="VT")
    np.testing.assert_array_equal(after["video"], before["video"])
    np.testing.assert_array_equal(after["audio"], before["audio"])
    assert not np.allclose(after["text"], before["text"])


def test_the_other_side_of_a_one_sided_adapter_drops_nothing_in_training(
    base: Model, dataset: Dataset, tmp_path: Path
) -> None:
    """Its vectors are the base's, while the adapter learns as afterwards."""
    seen: list[dict[str, bool]] = []
    with pytest.MonkeyPatch.context() as patch:

        def noted(encoders: nn.ModuleDict, *arguments: object) -> None:
            training_mode(encoders, *arguments)  # type: ignore[arg-type]
            seen.append({name: encoder.training for name, encoder in encoders.items()})

        patch.setattr("trichord.training.system.training_mode", noted)
        config = adapt(base, dataset.spec, PAIR, settings=Adaptation(LOW_RANK, sides=("text",), epochs=1))
        run_experiment(config, dataset, tmp_path / "T", options=QUIET, initial=base)
    assert seen
    assert all(modes == {"video": False, "text": True} for modes in seen)


def test_a_weight_decomposed_adapter_learns_the_lengths(base_folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    model = load(base_folder, device="cpu")
    config = adapting(model, dataset, replace(LOW_RANK, weight_decomposed=True))
    run = run_experiment(config, dataset, tmp_path / "VT", options=QUIET, initial=model)
    lengths = {k: v for k, v in load_file(run.path / WEIGHTS_FILE).items() if k.endswith("lora_magnitude_vector")}
    weights = dict(model.encoder.state_dict())
    assert lengths
    for key, length in lengths.items():
        weight = weights[key.removeprefix("base_model.model.").replace("lora_magnitude_vector", "weight")]
        assert not torch.allclose(length, weight.norm(dim=1), atol=1e-5), f"{key} learns"
    model.load_adapter(run.path)
    assert measured_again(model, dataset, config, "VT") == results_of(run)


def test_several_modalities_on_a_side_in_any_order(base: Model, dataset: Dataset, tmp_path: Path) -> None:
    pair = Pair(("audio", "video"), ("text",))
    config = adapting(base, dataset, pair=pair, **{"evaluation.tasks": ("T>V+A",), "stages.0.epochs": 1})
    assert (config.order, config.selection.tasks) == ("T-VA", ("T>VA", "VA>T"))
    assert config.own_adapter(Task(("text",), ("video", "audio"))) == "T-VA"
    run = run_experiment(config, dataset, tmp_path / "run", options=QUIET, initial=base)
    model = Model(base.config, base.bank.export(BASE), base.identity)
    model.load_adapter(run.path)
    assert results_of(run) == measured_again(model, dataset, config, "T-VA"), "not measured on the base"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model.encoders.text.dropout": 0.5}, RunError, r"text encoder is not that of the base \(dropout: 0.2 in"),
        ({"model.normalize": False}, RunError, "is not that of the base"),
        ({"adapters.VT.low_rank.targets": "linera"}, ConfigError, "no layer of encoders.video matches targets"),
        ({"adapters.VT.low_rank.targets": "unit("}, ConfigError, "no regular expression"),
        (
            {"adapters.VT.low_rank.initial": "pissa", "adapters.VT.low_rank.rank": 2000},
            ConfigError,
            "lower the rank",
        ),
        ({"initial": "0123"}, RunError, "starts from the weights 0123"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(
    changes: dict[str, object],
    error: type[Exception],
    message: str,
    base: Model,
    dataset: Dataset,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        run_experiment(adapting(base, dataset, **changes), dataset, tmp_path / "run", options=QUIET, initial=base)
    assert not (tmp_path / "run").exists()


def test_tasks_of_other_pairs_are_refused_where_adapters_alone_learn(base: Model, dataset: Dataset) -> None:
    config = adapting(base, dataset, pair=Pair(("text",), ("video", "audio")))
    with pytest.raises(ConfigError, match=r"no adapter is of the pair of task T>V, so the base would be measured"):
        replaced(config, {"evaluation.tasks": ("T>VA", "T>V")})
    with pytest.raises(ConfigError, match=r"task V>A"):
        replaced(config, {"selection.tasks": ("V>A",)})


def test_an_adapter_without_an_item_that_holds_its_pair_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    corpus = plant(TINY)
    train = np.array(corpus.splits) == "train"
    rows = np.flatnonzero(~train | (np.arange(len(train)) % 2 == 0))
    texts = np.flatnonzero(~train | (np.arange(len(train)) % 2 == 1))
    modalities = {
        "video": ModalityArrays(corpus.features["video"][:, 0]),
        "audio": ModalityArrays(corpus.features["audio"][rows, 0], rows),
        "text": ModalityArrays(corpus.features["text"][texts, 0], texts),
    }
    items = {"id": [str(i) for i in range(len(train))], "split": corpus.splits}
    apart = write_dataset(tmp_path / "data", name="apart", items=items, modalities=modalities)
    with pytest.raises(DataError, match=r"the adapter AT learns from .* no item holds all of \['audio', 'text'\]"):
        run_experiment(joint(apart), apart, tmp_path / "run", options=QUIET)
    assert not (tmp_path / "run").exists()


def test_another_base_on_resume_and_a_merged_one_are_refused(
    base: Model, base_folder: Path, adapted: RunDirectory, dataset: Dataset, tmp_path: Path
) -> None:
    weights = {name: tensor + 1e-3 for name, tensor in base.encoder.state_dict().items() if tensor.is_floating_point()}
    other_encoder = base.bank.export(BASE)
    other_encoder.load_state_dict(weights, strict=False)
    other = Model(base.config, other_encoder, hash_tensors(other_encoder.state_dict()))
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, Position(0, 1, 0), StoppedError)
        with pytest.raises(StoppedError):
            run_experiment(adapting(base, dataset), dataset, tmp_path / "run", options=QUIET, initial=base)
    with pytest.raises(RunError, match=f"holds another experiment .initial: '{base.identity}' there"):
        run_experiment(adapting(other, dataset), dataset, tmp_path / "run", options=QUIET, initial=other)
    with pytest.raises(RunError, match=f"got {other.identity}"):
        run_experiment(adapting(base, dataset), dataset, tmp_path / "run", options=QUIET, initial=other)
    model = load(base_folder, device="cpu")
    model.load_adapter(adapted.path)
    model.bank.merge("VT")
    with pytest.raises(RunError, match="'VT' is merged into the weights of the initial model; unmerge it first"):
        run_experiment(adapting(model, dataset), dataset, tmp_path / "new", options=QUIET, initial=model)
    model.bank.unmerge()
    again = run_experiment(adapting(model, dataset), dataset, tmp_path / "new", options=QUIET, initial=model)
    assert_same(adapted, again)


def test_what_is_no_base_is_refused(adapted: RunDirectory, base: Model, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"is an adapter over the base {base.identity}; load its base and then"):
        load(adapted.path)
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, Position(0, 1, 0), StoppedError)
        with pytest.raises(StoppedError):
            run_experiment(joint(dataset), dataset, tmp_path / "run", options=QUIET)
    with pytest.raises(RunError, match="is failed; finish it with `trichord train` first"):
        load(tmp_path / "run")


def change_video(config: JointEncoderConfig) -> JointEncoderConfig:
    return replace(config, encoders={**config.encoders, "video": LinearHeadConfig(input_dim=5, output_dim=4)})


def change_normalization(config: JointEncoderConfig) -> JointEncoderConfig:
    return replace(config, normalize=False)


WORDS = WordPoolConfig(input_dim=3, output_dim=4, num_words=10, word_vectors="w")
SETTINGS = JointEncoderConfig(
    encoders={"video": LinearHeadConfig(input_dim=6, output_dim=4), "text": WORDS}, normalize=True
)


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (lambda config: replace(config), set()),
        (lambda c: replace(c, encoders={**c.encoders, "text": replace(WORDS, num_words=11)}), set()),
        (lambda c: replace(c, encoders={**c.encoders, "text": replace(WORDS, word_vectors="x")}), {"text"}),
        (lambda c: replace(c, encoders={**c.encoders, "text": replace(WORDS, max_words=5)}), {"text"}),
        (change_video, {"video"}),
        (change_normalization, {"video", "text"}),
    ],
)
def test_preprocessing_is_the_hash_of_all_settings_but_the_number_of_words(
    change: Callable[[JointEncoderConfig], JointEncoderConfig], changed: set[str]
) -> None:
    before, after = preprocessing_of(SETTINGS), preprocessing_of(change(SETTINGS))
    assert {name for name in before if before[name] != after[name]} == changed
