from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from encoder_cases import pooled_features, sequence_features
from torch import nn

from trichord.batch import Embeddings, Encoded, Features
from trichord.config import from_dict
from trichord.encoders import (
    AudioEncoderConfig,
    Encoder,
    EncoderConfig,
    GatedHeadConfig,
    JointEncoder,
    JointEncoderConfig,
    LinearHeadConfig,
    WordPoolConfig,
    unit_rows,
)
from trichord.errors import ConfigError, DataError

DIM = 5
ENCODERS: dict[str, EncoderConfig] = {
    "video": GatedHeadConfig(input_dim=6, output_dim=DIM),
    "audio": AudioEncoderConfig(input_dim=3, output_dim=DIM, widths=(4, 4)),
    "text": WordPoolConfig(input_dim=4, output_dim=DIM),
}


def joint_encoder(*, normalize: bool = True, **more: EncoderConfig) -> JointEncoder:
    torch.manual_seed(0)
    encoder: JointEncoder = JointEncoderConfig(encoders={**ENCODERS, **more}, normalize=normalize).build()
    return encoder


def at_rows(features: Features, rows: list[int]) -> Features:
    return Features(features.values, torch.tensor(rows), features.lengths)


def batch() -> dict[str, Features]:
    """Four rows: video everywhere, audio at 0 and 3, text at 1 alone."""
    return {
        "text": at_rows(sequence_features([2], 4), [1]),
        "video": at_rows(pooled_features(4, 6), [0, 1, 2, 3]),
        "audio": at_rows(sequence_features([9, 5], 3), [0, 3]),
    }


def test_rows_without_a_modality_are_zero_and_not_present() -> None:
    joint = joint_encoder().eval()
    found: Embeddings = joint(batch(), 4)
    assert list(found.vectors) == list(found.present) == list(found.targets) == ["video", "audio", "text"]
    assert found.present["audio"].tolist() == [True, False, False, True]
    assert found.present["text"].tolist() == [False, True, False, False]
    for name, vectors in found.vectors.items():
        assert vectors.shape == (4, DIM)
        lengths = vectors.norm(dim=1)
        torch.testing.assert_close(lengths, found.present[name].float())
        assert torch.equal(found.targets[name].abs().sum(dim=1) > 0, found.present[name])
    alone: Encoded = joint.encoder("audio")(batch()["audio"])
    direction = nn.functional.cosine_similarity(alone.embedding, found.vectors["audio"][[0, 3]])
    torch.testing.assert_close(direction, torch.ones(2))
    torch.testing.assert_close(found.targets["audio"][[0, 3]], alone.target)


def test_a_modality_the_batch_lacks_is_all_zeros_and_its_parameters_take_part() -> None:
    joint = joint_encoder()
    found: Embeddings = joint({"video": batch()["video"]}, 4)
    assert set(found.vectors) == set(ENCODERS)
    for name in ("audio", "text"):
        assert not found.present[name].any()
        assert torch.equal(found.vectors[name], torch.zeros(4, DIM))
        assert found.targets[name].shape == (4, ENCODERS[name].target_dim)
    sum(vectors[:, 0].sum() for vectors in found.vectors.values()).backward()  # type: ignore[union-attr]
    for name, parameter in joint.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()) is name.startswith("encoders.video"), name


def test_without_normalisation_vectors_are_the_encoders_own() -> None:
    joint = joint_encoder(normalize=False).eval()
    found: Embeddings = joint(batch(), 4)
    torch.testing.assert_close(found.vectors["video"], joint.encoder("video")(batch()["video"]).embedding)
    assert (found.vectors["video"].norm(dim=1) - 1).abs().min() > 1e-3


def test_a_subset_can_be_encoded() -> None:
    joint = joint_encoder()
    found: Embeddings = joint(batch(), 4, only=["text", "video"])
    assert list(found.vectors) == ["video", "text"]


def test_an_invented_modality_trains() -> None:
    joint = joint_encoder(depth=LinearHeadConfig(input_dim=7, output_dim=DIM, standardize=True))
    assert joint.modalities == ("video", "audio", "text", "depth")
    features = {**batch(), "depth": at_rows(pooled_features(3, 7), [0, 1, 2])}
    assert joint.encoder("depth").fit_statistics([features["depth"].values])
    optimizer = torch.optim.SGD(joint.parameters(), lr=0.5)

    def distance() -> torch.Tensor:
        found: Embeddings = joint(features, 4, only=("video", "depth"))
        both = found.present["video"] & found.present["depth"]
        assert both.tolist() == [True, True, True, False]
        return (found.vectors["video"] - found.vectors["depth"])[both].square().sum()

    before = distance()
    before.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert float(distance().detach()) < float(before.detach())


@dataclass(frozen=True, kw_only=True)
class CountConfig(EncoderConfig):
    """A fourth encoder that the package has never heard of."""


class CountEncoder(Encoder):
    sequences = True

    def __init__(self, config: CountConfig) -> None:
        super().__init__(config)
        self.table = nn.Linear(1, config.output_dim)

    def forward(self, features: Features) -> Encoded:
        values = self.checked_values(features)
        assert features.lengths is not None
        return Encoded(self.table(features.lengths[:, None].to(values.dtype)), values.mean(dim=1))


CountConfig.builds = CountEncoder


def test_an_invented_encoder_needs_nothing_but_the_contract() -> None:
    joint = joint_encoder(depth=CountConfig(input_dim=2, output_dim=DIM))
    found: Embeddings = joint({"depth": at_rows(sequence_features([3, 1], 2), [1, 2])}, 4)
    assert found.present["depth"].tolist() == [False, True, True, False]


def test_the_order_of_rows_is_the_order_of_the_batch() -> None:
    joint = joint_encoder().eval()
    features = pooled_features(3, 6)
    found: Embeddings = joint({"video": at_rows(features, [5, 0, 2])}, 6)
    expected = unit_rows(joint.encoder("video")(features).embedding)
    torch.testing.assert_close(found.vectors["video"][[5, 0, 2]], expected)


def test_zero_vectors_stay_zero_with_a_finite_gradient() -> None:
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    found = unit_rows(vectors)
    torch.testing.assert_close(found.detach(), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


def test_vectors_are_float32_under_autocast() -> None:
    joint = joint_encoder()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found: Embeddings = joint(batch(), 4)
    for name, vectors in found.vectors.items():
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors.norm(dim=1), found.present[name].float())


def test_configuration_survives_the_round_trip() -> None:
    config = JointEncoderConfig(encoders=ENCODERS, normalize=False)
    assert from_dict(config.to_dict()) == config


def test_unknown_modalities_are_refused_with_the_nearest_name() -> None:
    joint = joint_encoder()
    with pytest.raises(ConfigError, match=r"'vidoe'.*did you mean 'video'"):
        joint({"vidoe": batch()["video"]}, 4)
    with pytest.raises(ConfigError, match=r"'depth'.*known: audio, text, video"):
        joint(batch(), 4, only=["depth"])


def test_faults_name_the_modality() -> None:
    joint = joint_encoder()
    with pytest.raises(DataError, match=r"video: this encoder takes vectors of shape \(rows, 6\), got .*\(2, 3, 6\)"):
        joint({"video": sequence_features([3, 2], 6)}, 2)
    with pytest.raises(DataError, match=r"row 8: text: a sequence must have 1 to"):
        joint({"text": at_rows(sequence_features([2, 0], 4), [3, 8])}, 9)
    with pytest.raises(DataError, match="video: 4 values at 4 rows of a batch of 3"):
        joint(batch(), 3)


def test_configurations_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"same output_dim, got \{'video': 5, 'text': 6\}"):
        JointEncoderConfig(encoders={"video": ENCODERS["video"], "text": LinearHeadConfig(input_dim=2, output_dim=6)})
    with pytest.raises(ConfigError, match="empty"):
        JointEncoderConfig(encoders={})
    for name in ("Video", "two words", "values", "a.b"):
        with pytest.raises(ConfigError, match="cannot name a modality"):
            JointEncoderConfig(encoders={name: ENCODERS["video"]})
