"""The encoders of MCN at their published sizes, counted without allocating them."""

from __future__ import annotations

import pytest
import torch

from trichord.encoders import AudioEncoderConfig, GatedHeadConfig, JointEncoder, JointEncoderConfig, WordPoolConfig


def published(*, unused_input_norm: bool) -> JointEncoder:
    with torch.device("meta"):
        encoder: JointEncoder = JointEncoderConfig(
            encoders={
                "video": GatedHeadConfig(input_dim=4096, output_dim=6144),
                "audio": AudioEncoderConfig(output_dim=6144, unused_input_norm=unused_input_norm),
                "text": WordPoolConfig(input_dim=300, output_dim=6144),
            },
            normalize=False,
        ).build()
    return encoder


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("unused_input_norm", "expected"), [(True, 193_353_730), (False, 193_353_728)])
def test_the_published_number_of_parameters(unused_input_norm: bool, expected: int) -> None:
    assert count(published(unused_input_norm=unused_input_norm)) == expected


def test_the_branches_by_closed_form() -> None:
    encoder = published(unused_input_norm=False)

    def linear(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    assert count(encoder.encoder("video")) == linear(4096, 6144) + linear(6144, 6144)
    assert count(encoder.encoder("text")) == linear(300, 6144) + 2 * linear(6144, 6144)
    head = 2 * linear(1024, 1024) + linear(1024, 6144)
    assert count(encoder.encoder("audio").get_submodule("trunk")) == count(encoder.encoder("audio")) - head


def test_reconstruction_targets_have_the_published_widths() -> None:
    encoder = published(unused_input_norm=False)
    assert [encoder.encoder(name).target_dim for name in encoder.modalities] == [4096, 1024, 6144]
