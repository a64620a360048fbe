"""Experiments of classifiers: who learns, for how long, at which rate; settings by the amount of data; own encoders."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trichord.data import DatasetSpec, ModalityArrays, ModalitySpec, write_dataset
from trichord.data.specification import WordsSource
from trichord.encoders import AudioEncoderConfig, LinearHeadConfig, ResidualHeadConfig, WordPoolConfig
from trichord.errors import ConfigError
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.recipes.classifier import ClassifierRecipe, spread
from trichord.recipes.classifier_encoders import read_modalities
from trichord.recipes.classifier_settings import FEW, MANY, PRETRAINED, choose_settings, own_encoder

HASHES = {"video": "a" * 16, "audio": "b" * 16}


@pytest.fixture
def recipe() -> ClassifierRecipe:
    head = LinearHeadConfig(input_dim=3, output_dim=4)
    return ClassifierRecipe(
        letters={"video": "V", "audio": "A"},
        encoders={"video": head, "audio": head},
        targets={"video": "linear", "audio": "linear and convolution"},
        label="mood",
        several=False,
        classes=("calm", "glad"),
        settings=replace(FEW, epochs=7, learning_rate=0.01, second_rate=0.02, label_smoothing=0.1),
    )


def test_an_expert_learns_its_encoder_or_matrices_alone(recipe: ClassifierRecipe) -> None:
    whole, matrices = recipe.expert("audio", 3), recipe.expert("audio", 3, rank=4)
    assert (whole.kind, whole.train, whole.low_rank, whole.seed) == ("expert", ("audio",), {}, 3)
    assert tuple(whole.model.encoders) == ("audio",)
    assert whole.letters == {"audio": "A"}
    assert whole.learning.optimizer.learning_rate == 0.01
    assert matrices.train == ()
    assert matrices.learning.optimizer.learning_rate == 0.02
    found = matrices.low_rank["audio"]
    assert (found.rank, found.alpha, found.targets) == (4, 4.0, "linear and convolution")


def test_a_rank_of_nothing_is_no_expert_that_learns_as_a_whole(recipe: ClassifierRecipe) -> None:
    with pytest.raises(ConfigError, match="rank"):
        recipe.expert("audio", 0, rank=0)
    with pytest.raises(ConfigError, match="rank"):
        recipe.mmlora(0, 0, ("audio",), HASHES)


def test_the_classifier_alone_learns_over_experts_as_long_as_matrices_do(recipe: ClassifierRecipe) -> None:
    alone, matrices = recipe.head(2, 0.004, HASHES), recipe.mmlora(2, 8, ("video",), HASHES)
    assert (alone.kind, alone.train, alone.low_rank, alone.starts, alone.seed) == ("head", (), {}, HASHES, 2)
    assert alone.learning.optimizer.learning_rate == 0.004
    assert alone.learning.epochs == matrices.learning.epochs == 7
    assert alone.model == matrices.model


def test_joint_learning_has_the_epochs_of_both_stages(recipe: ClassifierRecipe) -> None:
    second = recipe.mmlora(0, 8, ("video",), HASHES)
    joint, teacher = recipe.joint(0, 0.005), recipe.teacher(0, 0.3, HASHES)
    assert recipe.expert("video", 0).learning.epochs + second.learning.epochs == joint.learning.epochs == 14
    assert teacher.learning.epochs == 14
    assert joint.learning.optimizer.learning_rate == 0.005
    assert teacher.learning.optimizer.learning_rate == 0.01
    assert (joint.learning.distillation, teacher.learning.distillation) == (0.0, 0.3)
    assert joint.train == teacher.train == ("video", "audio")
    assert teacher.teachers == HASHES
    assert teacher.starts == {}


def test_matrices_lie_where_they_are_wanted_and_experts_everywhere(recipe: ClassifierRecipe) -> None:
    one, everywhere = recipe.mmlora(0, 8, ("audio",), HASHES), recipe.mmlora(0, 8, ("video", "audio"), HASHES)
    assert set(one.low_rank) == {"audio"}
    assert set(everywhere.low_rank) == {"video", "audio"}
    assert one.starts == everywhere.starts == HASHES
    assert one.train == everywhere.train == ()
    assert one.low_rank["audio"].alpha == one.low_rank["audio"].rank == 8


def test_items_of_several_classes_are_not_smoothed(recipe: ClassifierRecipe) -> None:
    assert recipe.joint(0, 0.1).learning.label_smoothing == 0.1
    assert replace(recipe, several=True).joint(0, 0.1).learning.label_smoothing == 0.0


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, (1.0,)), (2, (0.1, 1.0)), (3, (0.1, 1.0, 10.0)), (6, (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0))],
)
def test_a_grid_goes_about_its_centre(number: int, expected: tuple[float, ...]) -> None:
    assert spread(1.0, 10.0, number) == expected


def spec(train: int, *entries: ModalitySpec) -> DatasetSpec:
    return DatasetSpec("data", entries, train + 20, {"train": train, "val": 10, "test": 10})


def test_settings_go_by_the_number_of_items() -> None:
    assert choose_settings(spec(2000), ("train",), pretrained=False) is FEW
    assert choose_settings(spec(2001), ("train",), pretrained=False) is MANY
    assert choose_settings(spec(1995), ("train", "val"), pretrained=False) is MANY
    assert choose_settings(spec(5), ("train",), pretrained=True) is PRETRAINED
    with pytest.raises(ConfigError, match="no split 'trian' to learn from"):
        choose_settings(spec(5), ("trian",), pretrained=False)


def test_every_kind_of_features_has_an_encoder_and_raw_ones_have_none() -> None:
    pooled = own_encoder(ModalitySpec(VIDEO, "pooled", 5, 9), FEW)
    assert isinstance(pooled, ResidualHeadConfig)
    assert pooled.standardize
    assert pooled.input_dim == 5
    assert isinstance(own_encoder(ModalitySpec(AUDIO, "sequence", 5, 9), FEW), AudioEncoderConfig)
    words = own_encoder(ModalitySpec(TEXT, "words", 5, 9, 7, WordsSource("vectors", "print", "plain")), FEW)
    assert isinstance(words, WordPoolConfig)
    assert (words.num_words, words.word_vectors) == (7, "print")
    assert {pooled.output_dim, words.output_dim} == {FEW.width}
    with pytest.raises(ConfigError, match=r"video is of the kind 'image'.*--encoder video=FOLDER"):
        own_encoder(ModalitySpec(VIDEO, "image", 3, 9), FEW)


def test_modalities_are_read_by_name_and_by_letter_in_the_order_of_the_data(tmp_path: Path) -> None:
    arrays = {name: ModalityArrays(np.ones((2, 3), np.float32)) for name in ("video", "audio", "text")}
    table = {"id": ["a", "b"], "split": ["train"] * 2}
    dataset = write_dataset(tmp_path / "data", name="two", items=table, modalities=arrays)
    for given in (("audio", "video"), ("AV",), ("A", "V"), ("A", "video")):
        assert read_modalities(dataset, given) == ("video", "audio")
    assert read_modalities(dataset, ()) == ()
    for given, said in ((("AX",), "no modality 'AX'"), (("",), "no modality ''"), (("VA", "V"), "video twice")):
        with pytest.raises(ConfigError, match=said):
            read_modalities(dataset, given)
