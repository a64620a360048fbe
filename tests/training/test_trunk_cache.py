"""What is computed once equals what is computed at every step, and never comes from other weights, data or settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trichord.adapters.lora import LowRank
from trichord.adapters.settings import LowRankConfig
from trichord.batch import Features
from trichord.curricula import set_trainable, training_mode
from trichord.data import Dataset
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.encoders import AudioEncoderConfig, JointEncoder, JointEncoderConfig, ResidualHeadConfig
from trichord.encoders.beforehand import Depth, compute_above, compute_below, is_still, still_depth
from trichord.errors import ConfigError, DataError
from trichord.evaluation import embed_split
from trichord.objectives import InfoNCEConfig, ObjectiveConfig, PairwiseConfig, WeightedPairConfig
from trichord.runs.preprocessing import preprocessing_of
from trichord.training.optimization import OptimizerConfig, build_optimizer
from trichord.training.source import BatchSource
from trichord.training.system import AdapterView, System
from trichord.training.trunk_cache import (
    CachedDataset,
    CachedOutputs,
    CacheKey,
    cache_outputs,
    cacheable_depth,
    open_cache,
    write_cache,
)

NAMES = ("audio", "text")
NUM_ITEMS = 40
AUDIO = AudioEncoderConfig(input_dim=4, output_dim=6, widths=(5, 8), training_frames=20, evaluation_frames=30)
TEXT = ResidualHeadConfig(input_dim=7, output_dim=6, hidden_dim=5, dropout=0.3, hidden_dropout=0.2)
CONFIG = JointEncoderConfig(encoders={"audio": AUDIO, "text": TEXT})
PUBLISHED = replace(
    CONFIG, encoders={"audio": replace(AUDIO, mask_padding=False, padding_value=0.0), "text": TEXT}, normalize=False
)


def write(path: Path, seed: int = 0) -> Dataset:
    """Every tenth item lacks audio; items have two texts."""
    generator = np.random.default_rng(seed)
    owners = np.array([item for item in range(NUM_ITEMS) if item % 10 != 3])
    lengths = generator.integers(1, 40, len(owners))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    audio = ModalityArrays(generator.normal(size=(offsets[-1], 4)).astype(np.float32) * 10, owners, offsets)
    text = ModalityArrays(
        generator.normal(size=(2 * NUM_ITEMS, 7)).astype(np.float32), np.repeat(np.arange(NUM_ITEMS), 2)
    )
    items = {
        "id": [f"item{number}" for number in range(NUM_ITEMS)],
        "split": ["train"] * 30 + ["val"] * (NUM_ITEMS - 30),
    }
    write_dataset(path, name="small", items=items, modalities={"audio": audio, "text": text})
    return Dataset.open(path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write(tmp_path_factory.mktemp("data") / "set")


def build(config: JointEncoderConfig = CONFIG) -> JointEncoder:
    """Weights drawn from a fixed seed, with batch statistics that are not those of a new network."""
    torch.manual_seed(1)
    model = config.build()
    assert isinstance(model, JointEncoder)
    model.train()
    model.encoder("audio")(Features(10 * torch.randn(8, 20, 4), torch.arange(8), torch.full((8,), 20)))
    return model


def build_system(config: JointEncoderConfig, targets: str = "linear") -> System:
    """An adapter of audio and text above frozen encoders."""
    model = build(config)
    low_rank = LowRank(model)
    low_rank.attach("AT", LowRankConfig(rank=2, targets=targets), [f"encoders.{name}" for name in NAMES])
    pair = WeightedPairConfig(left=("text",), right=("audio",))
    objective = ObjectiveConfig(parts={"contrast": PairwiseConfig(objective=InfoNCEConfig(), pairs=(pair,))})
    system = System(model, None, NAMES, low_rank, {"AT": AdapterView(NAMES, objective.build())})
    set_trainable(model.encoders, ())
    low_rank.learn(["AT"])
    set_mode(system)
    return system


def set_mode(system: System) -> None:
    system.train()
    training_mode(system.model.encoders, (), NAMES)


def cached(
    model: JointEncoder, dataset: Dataset, folder: Path, config: JointEncoderConfig = CONFIG, split: str = "train"
) -> CachedDataset:
    return cache_outputs(model, dataset, dataset.split(split), depths_of(model), preprocessing_of(config), folder)


def depths_of(model: JointEncoder) -> dict[str, Depth]:
    found = {name: cacheable_depth(model.encoder(name)) for name in NAMES}
    return {name: depth for name, depth in found.items() if depth is not None}


def learn(system: System, dataset: Dataset, epochs: int = 2) -> list[float]:
    source = BatchSource(dataset, dataset.split("train"), NAMES, 8, 0, 0)
    optimizer = build_optimizer(system, OptimizerConfig(learning_rate=0.05))
    losses = []
    for epoch in range(epochs):
        for step, batch in source.steps(epoch):
            torch.manual_seed(100 * epoch + step)
            loss = system(batch).total
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("config", [CONFIG, PUBLISHED], ids=["fixed", "published"])
def test_cached_epochs_equal_those_without_a_cache(
    config: JointEncoderConfig, dataset: Dataset, tmp_path: Path
) -> None:
    plain, above = build_system(config), build_system(config)
    expected = learn(plain, dataset)
    held = cached(above.model, dataset, tmp_path, config)
    assert held.depths == {"audio": "trunk"}
    above.model.encoder("audio").get_submodule("trunk").register_forward_hook(lambda *_: pytest.fail("trunk computed"))
    with above.model.given(held.depths):
        found = learn(above, held)
    assert expected[0] != pytest.approx(expected[-1], rel=1e-3)
    assert found == pytest.approx(expected, rel=1e-4)
    for name, tensor in above.state_dict().items():
        torch.testing.assert_close(tensor, plain.state_dict()[name], rtol=1e-3, atol=1e-4, msg=name)


def test_a_whole_encoder_that_is_frozen_is_computed_once(dataset: Dataset, tmp_path: Path) -> None:
    model = build()
    set_trainable(model.encoders, ("text",))
    training_mode(model.encoders, ("text",))
    held = cached(model, dataset, tmp_path, split="val")
    assert held.depths == {"audio": "encoder"}
    model.eval()
    items = dataset.split("val")
    expected = embed_split(model, dataset, items, modalities=NAMES)
    with model.given(held.depths):
        found = embed_split(model, held, items, modalities=NAMES, batch_size=5)
    for name in NAMES:
        np.testing.assert_allclose(found[name].vectors, expected[name].vectors, atol=1e-5)
        np.testing.assert_array_equal(found[name].items, expected[name].items)


def test_a_batch_may_lack_what_was_computed(dataset: Dataset, tmp_path: Path) -> None:
    system = build_system(CONFIG)
    held = cached(system.model, dataset, tmp_path)
    with system.model.given(held.depths):
        found = system.model({}, 3, only=("audio",))
    assert not found.present["audio"].any()
    assert found.vectors["audio"].shape == (3, 6)


Changed = tuple[Dataset, JointEncoderConfig, str]


def change_weights(system: System, dataset: Dataset, config: JointEncoderConfig, path: Path) -> Changed:
    with torch.no_grad():
        system.model.get_parameter("encoders.audio.trunk.stem.weight").mul_(1.5)
    return dataset, config, "train"


def change_statistics(system: System, dataset: Dataset, config: JointEncoderConfig, path: Path) -> Changed:
    system.model.get_buffer("encoders.audio.trunk.stem_norm.running_mean").add_(1)
    return dataset, config, "train"


def change_data(system: System, dataset: Dataset, config: JointEncoderConfig, path: Path) -> Changed:
    return write(path / "other", seed=1), config, "train"


def change_settings(system: System, dataset: Dataset, config: JointEncoderConfig, path: Path) -> Changed:
    encoders = {**config.encoders, "audio": replace(AUDIO, training_frames=9)}
    system.model.encoder("audio").training_frames = 9
    return dataset, replace(config, encoders=encoders), "train"


def change_mode(system: System, dataset: Dataset, config: JointEncoderConfig, path: Path) -> Changed:
    system.model.encoder("audio").eval()
    return dataset, config, "train"


def change_items(system: System, dataset: Dataset, config: JointEncoderConfig, path: Path) -> Changed:
    return dataset, config, "val"


CHANGES = [change_weights, change_statistics, change_data, change_settings, change_mode, change_items]


def count_trunk(system: System) -> list[int]:
    counted: list[int] = []
    trunk = system.model.encoder("audio").get_submodule("trunk")
    trunk.register_forward_hook(lambda module, inputs, output: counted.append(len(output)))
    return counted


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_has_changed_is_computed_anew(change: Callable[..., Changed], dataset: Dataset, tmp_path: Path) -> None:
    system = build_system(CONFIG)
    first = cached(system.model, dataset, tmp_path / "cache").outputs["audio"]
    counted = count_trunk(system)
    again = cached(system.model, dataset, tmp_path / "cache").outputs["audio"]
    assert not counted, "nothing has changed"
    np.testing.assert_array_equal(first.values, again.values)
    other, config, split = change(system, dataset, CONFIG, tmp_path)
    found = cached(system.model, other, tmp_path / "cache", config, split).outputs["audio"]
    assert sum(counted) == len(found.instances)
    assert found.values.shape != first.values.shape or not np.allclose(found.values, first.values)
    # What there was before has not been overwritten.
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 2


def test_weights_above_the_trunk_do_not_matter(dataset: Dataset, tmp_path: Path) -> None:
    system = build_system(CONFIG)
    cached(system.model, dataset, tmp_path)
    counted = count_trunk(system)
    learn(system, dataset, epochs=1)
    counted.clear()
    cached(system.model, dataset, tmp_path)
    assert not counted


def test_an_interruption_leaves_no_cache(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = build_system(CONFIG)
    monkeypatch.setattr("trichord.training.trunk_cache.ROWS_AT_ONCE", 8)
    with monkeypatch.context() as patched:
        calls: list[int] = []

        def stop(*arguments: object) -> torch.Tensor:
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return compute_below(*arguments)  # type: ignore[arg-type]

        patched.setattr("trichord.training.trunk_cache.compute_below", stop)
        with pytest.raises(KeyboardInterrupt):
            cached(system.model, dataset, tmp_path)
    assert list(tmp_path.iterdir()) == []
    counted = count_trunk(system)
    assert len(cached(system.model, dataset, tmp_path).outputs["audio"].values) == sum(counted) == 27


def lose_record(values: Path, record: Path) -> None:
    record.unlink()


def cut_values(values: Path, record: Path) -> None:
    values.write_bytes(values.read_bytes()[:-8])


def alter_values(values: Path, record: Path) -> None:
    content = bytearray(values.read_bytes())
    content[-3] ^= 1
    values.write_bytes(bytes(content))


def claim_other_weights(values: Path, record: Path) -> None:
    record.write_text(json.dumps({**json.loads(record.read_text()), "weights": "0" * 16}))


def write_nonsense(values: Path, record: Path) -> None:
    record.write_text("[1, 2")


@pytest.mark.parametrize(
    "damage", [lose_record, cut_values, alter_values, claim_other_weights, write_nonsense], ids=lambda d: d.__name__
)
def test_a_damaged_cache_is_computed_anew(
    damage: Callable[[Path, Path], None], dataset: Dataset, tmp_path: Path
) -> None:
    system = build_system(CONFIG)
    expected = np.array(cached(system.model, dataset, tmp_path).outputs["audio"].values)
    damage(next(tmp_path.glob("*.npy")), next(tmp_path.glob("*.json")))
    counted = count_trunk(system)
    np.testing.assert_array_equal(cached(system.model, dataset, tmp_path).outputs["audio"].values, expected)
    assert counted


def test_what_learns_or_is_drawn_is_not_computed_beforehand(dataset: Dataset, tmp_path: Path) -> None:
    assert still_depth(build_system(CONFIG).model.encoder("audio")) == "trunk"
    in_the_trunk = build_system(CONFIG, "linear and convolution")
    assert still_depth(in_the_trunk.model.encoder("audio")) is None
    assert cached(in_the_trunk.model, dataset, tmp_path).depths == {}
    text = build().encoder("text").requires_grad_(False)
    assert not is_still(text), "it drops inputs"
    assert is_still(text.eval())
    assert still_depth(text) == "encoder"
    audio = build().encoder("audio").requires_grad_(False)
    assert still_depth(audio.train()) is None, "it takes batch statistics"
    assert still_depth(audio.eval()) == "encoder"
    assert is_still(nn.Dropout(0.0))


def test_matrices_of_an_adapter_that_does_not_learn_now_stand_in_the_way() -> None:
    """Validation may look through an adapter of another stage."""
    model = build(CONFIG)
    low_rank = LowRank(model)
    low_rank.attach("head", LowRankConfig(rank=2, targets="unit[.].*"), ["encoders.audio"])
    set_trainable(model.encoders, ())
    model.eval()
    assert still_depth(model.encoder("audio")) == "encoder"
    assert cacheable_depth(model.encoder("audio")) == "trunk"
    low_rank.attach("trunk", LowRankConfig(rank=2, targets="trunk[.].*"), ["encoders.audio"])
    model.requires_grad_(False)
    assert cacheable_depth(model.encoder("audio")) is None
    low_rank.attach("text", LowRankConfig(rank=2), ["encoders.text"])
    model.requires_grad_(False)
    assert cacheable_depth(model.encoder("text")) is None


def test_a_cached_modality_can_be_read_as_it_is_again(dataset: Dataset, tmp_path: Path) -> None:
    held = cached(build_system(CONFIG).model, dataset, tmp_path)
    assert held.read("audio", np.array([0])).lengths is None
    assert held.without(["audio"]).depths == {}
    assert held.without(["audio"]).read("audio", np.array([0])).lengths is not None
    assert held.fingerprint() == dataset.fingerprint()


def test_what_would_be_too_large_is_left_as_it_is(dataset: Dataset, tmp_path: Path) -> None:
    system = build_system(CONFIG)
    items, settings = dataset.split("train"), preprocessing_of(CONFIG)
    size = 27 * 8 * 4
    held = cache_outputs(system.model, dataset, items, depths_of(system.model), settings, tmp_path, largest_bytes=size)
    assert held.depths == {"audio": "trunk"}
    held = cache_outputs(
        system.model, dataset, items, depths_of(system.model), settings, tmp_path, largest_bytes=size - 1
    )
    assert held.depths == {}
    assert held.read("audio", np.array([0])).lengths is not None


def test_a_process_that_does_not_write_reads_what_another_wrote(dataset: Dataset, tmp_path: Path) -> None:
    system = build_system(CONFIG)
    items, settings = dataset.split("train"), preprocessing_of(CONFIG)
    assert (
        cache_outputs(system.model, dataset, items, depths_of(system.model), settings, tmp_path, write=False).depths
        == {}
    )
    cached(system.model, dataset, tmp_path)
    assert (
        "audio"
        in cache_outputs(system.model, dataset, items, depths_of(system.model), settings, tmp_path, write=False).depths
    )


def test_instances_are_read_in_the_order_asked_for_and_unknown_ones_refused() -> None:
    held = CachedOutputs("trunk", np.array([2, 5, 9]), np.array([[2.0], [5.0], [9.0]], np.float32))
    assert held.read(np.array([9, 2, 9])).tolist() == [[9.0], [2.0], [9.0]]
    for wrong in (0, 3, 10):
        with pytest.raises(DataError, match="nothing was computed"):
            held.read(np.array([2, wrong]))


def test_values_of_another_width_or_an_encoder_without_trunk_are_refused() -> None:
    model = build().eval()
    with pytest.raises(ConfigError, match="8 wide, got 3"):
        compute_above(model.encoder("audio"), torch.zeros(2, 3), "trunk")
    with pytest.raises(ConfigError, match="no trunk"):
        compute_below(model.encoder("text"), model.encoder("text").empty_features(), "trunk")


KEY = CacheKey(modality="audio", depth="trunk", weights="w", settings="s", training=True, dataset="d", instances="i")


def test_runs_that_share_a_folder_find_a_whole_cache_at_every_moment(tmp_path: Path) -> None:
    """Values computed on other machines differ in their last bits; each record is of its own."""

    def fill(number: float, meanwhile: Callable[[], None] = lambda: None) -> Callable[[np.ndarray], None]:
        def filled(values: np.ndarray) -> None:
            values[:] = number
            meanwhile()

        return filled

    def second() -> None:
        assert open_cache(tmp_path, KEY, (3, 2)) is None
        write_cache(tmp_path, KEY, (3, 2), fill(2.0))

    write_cache(tmp_path, KEY, (3, 2), fill(1.0, second))
    found = open_cache(tmp_path, KEY, (3, 2))
    assert found is not None
    assert (found == 2.0).all(), "what was finished first is kept"

    def still_there() -> None:
        again = open_cache(tmp_path, KEY, (3, 2))
        assert again is not None
        assert (again == 2.0).all()

    write_cache(tmp_path, KEY, (3, 2), fill(3.0, still_there))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_record_of_values_elsewhere_is_none(tmp_path: Path) -> None:
    write_cache(tmp_path / "in", KEY, (3, 2), lambda values: values.fill(1.0))
    record = tmp_path / "in" / f"{KEY.name}.json"
    for content in ("../" * 3, None, 5, "0" * 16):
        record.write_text(json.dumps({**json.loads(record.read_text()), "content": content}))
        assert open_cache(tmp_path / "in", KEY, (3, 2)) is None
    record.write_text("[]")
    assert open_cache(tmp_path / "in", KEY, (3, 2)) is None
