"""Published weights under our names: same numbers out of either network, and one clear error for every misfit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from published_reference import (
    PUBLISHED,
    Inputs,
    Sizes,
    State,
    audio_vectors,
    in_double,
    pooled_audio,
    pooled_words,
    random_inputs,
    random_state,
    reconstruction,
    shapes_only,
    text_vectors,
    video_vectors,
)
from torch.nn.utils.rnn import pad_sequence

from trichord.batch import Features
from trichord.encoders import AudioEncoderConfig, GatedHeadConfig, JointEncoder, JointEncoderConfig, WordPoolConfig
from trichord.encoders.contract import EncoderConfig
from trichord.encoders.published import published_sizes, published_weights
from trichord.encoders.published_names import NamePair, PublishedSizes, decoder_names, encoder_names
from trichord.errors import ConfigError, DataError
from trichord.objectives import Reconstruction, ReconstructionConfig

SIZES = PublishedSizes(12, {"video": 10, "audio": 40, "text": 7}, (4, 6, 5, 8), 6)


def built(sizes: PublishedSizes, evaluation_frames: int = 5120) -> JointEncoder:
    every: dict[str, Callable[[int], EncoderConfig]] = {
        "video": lambda dim: GatedHeadConfig(input_dim=dim, output_dim=sizes.dim),
        "audio": lambda dim: AudioEncoderConfig(
            input_dim=dim,
            output_dim=sizes.dim,
            widths=sizes.audio_widths,
            mask_padding=False,
            padding_value=0.0,
            training_frames=1000,
            evaluation_frames=evaluation_frames,
            unused_input_norm=True,
        ),
        "text": lambda dim: WordPoolConfig(input_dim=dim, output_dim=sizes.dim, mask_padding=False, max_words=20),
    }
    encoders = {name: every[name](dim) for name, dim in sizes.input_dims.items()}
    encoder: JointEncoder = JointEncoderConfig(encoders=encoders, normalize=False).build()
    return encoder


def decoders(sizes: PublishedSizes) -> Reconstruction:
    widths = {name: sizes.target_dim(name) for name in sizes.modalities}
    assert sizes.decoder is not None
    config = ReconstructionConfig(dim=sizes.dim, dims=widths, hidden=sizes.decoder, output_relu=True)
    module: Reconstruction = config.build()
    return module


def loaded(state: State, evaluation_frames: int = 5120) -> JointEncoder:
    weights = published_weights(state)
    encoder = built(weights.sizes, evaluation_frames)
    encoder.load_state_dict(weights.encoder, strict=True)
    return encoder.double()


def features(inputs: Inputs) -> dict[str, Features]:
    rows = torch.arange(4)

    def sequences(values: list[torch.Tensor]) -> Features:
        lengths = torch.tensor([len(value) for value in values])
        return Features(pad_sequence(values, batch_first=True), rows, lengths)

    return {
        "video": Features(inputs.video, rows),
        "audio": sequences(inputs.clips),
        "text": sequences(inputs.sentences),
    }


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("frames", [5120, 3072])
def test_the_vectors_are_those_of_the_published_network(training: bool, frames: int) -> None:
    state, inputs = random_state(), random_inputs()
    found = loaded(state, frames).train(training)(features(inputs), 4)
    wide = in_double(state)
    expected = {
        "video": video_vectors(wide, inputs.video),
        "audio": audio_vectors(wide, inputs.clips, 1000 if training else frames, training),
        "text": text_vectors(wide, inputs.sentences),
    }
    targets = {
        "video": inputs.video,
        "audio": pooled_audio(wide, inputs.clips, 1000 if training else frames, training),
        "text": pooled_words(wide, inputs.sentences),
    }
    for name, vectors in expected.items():
        assert vectors.std() > 0.01, "the comparison needs vectors that differ"
        torch.testing.assert_close(found.vectors[name], vectors, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.targets[name], targets[name], rtol=1e-9, atol=1e-9)


def test_the_padding_of_the_published_network_is_visible_in_its_vectors() -> None:
    """Without this, the test above would hold for encoders that mask padding, too."""
    state, inputs = in_double(random_state()), random_inputs()
    alone = audio_vectors(state, inputs.clips[1:2], len(inputs.clips[1]))
    assert not torch.allclose(alone, audio_vectors(state, inputs.clips, 5120)[1:2], rtol=1e-2)
    three = torch.relu(
        inputs.sentences[0] @ state["text_pooling_caption.fc.weight"].T + state["text_pooling_caption.fc.bias"]
    ).amax(dim=0)
    assert not torch.allclose(three, pooled_words(state, inputs.sentences)[0], rtol=1e-2)


def test_decoders_rebuild_what_the_published_ones_do() -> None:
    state = random_state()
    weights = published_weights(state)
    module = decoders(weights.sizes)
    module.load_state_dict(weights.decoders, strict=True)
    vectors = torch.randn(5, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for name, letter in {"video": "v", "audio": "a", "text": "t"}.items():
        found = module.double().decoders[name](vectors)
        expected = reconstruction(in_double(state), letter, vectors)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        assert 0 < (expected > 0).double().mean() < 1


def numbers(pairs: tuple[NamePair, ...], *, learnt: bool) -> int:
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    return sum(int(np.prod(pair.shape)) for pair in pairs if not (learnt and pair.ours.endswith(buffers)))


def test_published_sizes_map_one_to_one() -> None:
    state = shapes_only(PUBLISHED)
    sizes = published_sizes(state)
    assert sizes == PublishedSizes(6144, {"video": 4096, "audio": 40, "text": 300}, (128, 256, 512, 1024), 1024)
    pairs = (*encoder_names(sizes), *decoder_names(sizes))
    assert numbers(encoder_names(sizes), learnt=True) == 193_353_730
    assert numbers(pairs, learnt=True) == 223_776_770
    assert numbers(pairs, learnt=False) == sum(tensor.numel() for tensor in state.values())
    assert {pair.published for pair in pairs} == set(state)
    with torch.device("meta"):
        ours = {**built(sizes).state_dict(), **decoders(sizes).state_dict()}
    assert {pair.ours: pair.shape for pair in pairs} == {name: tuple(tensor.shape) for name, tensor in ours.items()}
    assert len(pairs) == len(ours)


def test_the_prefix_of_data_parallel_and_arrays_make_no_difference() -> None:
    state = random_state()
    wrapped = {f"module.{name}": tensor.numpy() for name, tensor in state.items()}
    plain, other = published_weights(state), published_weights(wrapped)
    assert plain.sizes == other.sizes == SIZES
    assert plain.set_aside == other.set_aside == ()
    for ours, theirs in ((plain.encoder, other.encoder), (plain.decoders, other.decoders)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    wrapped["module.GU_video.fc.bias"][:] = state["GU_video.fc.bias"][:] = 9
    for weights in (plain, other):
        assert not (weights.encoder["encoders.video.unit.projection.bias"] == 9).any(), "weights are copies"


def test_half_precision_is_widened_exactly() -> None:
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in random_state().items()}
    weights = published_weights(half)
    assert {tensor.dtype for tensor in weights.encoder.values()} == {torch.float32, torch.int64}
    assert torch.equal(weights.encoder["encoders.text.word.weight"], half["text_pooling_caption.fc.weight"].float())


def test_variants_of_the_class() -> None:
    without_decoders = published_weights(random_state(Sizes(hidden=None)))
    assert without_decoders.sizes == replace(SIZES, decoder=None)
    assert without_decoders.decoders == {}
    two = published_weights(random_state(Sizes(text=False, hidden=None)))  # AVLnet without text
    assert two.sizes.modalities == ("video", "audio")
    built(two.sizes).load_state_dict(two.encoder, strict=True)
    # The class builds the text decoder whether or not there is a text branch.
    stray = published_weights(random_state(Sizes(text=False)))
    assert stray.set_aside == ("recon_t.0.bias", "recon_t.0.weight", "recon_t.2.bias", "recon_t.2.weight")
    assert {name.split(".")[1] for name in stray.decoders} == {"video", "audio"}
    classified = random_state() | {"classification.weight": torch.zeros(5, 12), "projection_head.0.bias": torch.ones(2)}
    assert published_weights(classified).set_aside == ("classification.weight", "projection_head.0.bias")


@pytest.mark.parametrize("left", [("video", "text"), ("audio", "text"), ("video", "audio"), ("text",)])
def test_branches_that_are_asked_for(left: tuple[str, ...]) -> None:
    state = random_state()
    whole, part = published_weights(state), published_weights(state, only=left)
    assert part.sizes.modalities == left
    built(part.sizes).load_state_dict(part.encoder, strict=True)
    decoders(part.sizes).load_state_dict(part.decoders, strict=True)
    assert all(torch.equal(tensor, whole.encoder[name]) for name, tensor in part.encoder.items())
    assert len(part.encoder) + len(part.decoders) + len(part.set_aside) == len(state)


@pytest.mark.parametrize("gone", [("GU_video.",), ("DAVEnet", "GU_audio."), ("text_", "GU_text_")])
def test_a_branch_that_a_file_lacks_altogether(gone: tuple[str, ...]) -> None:
    state = {name: tensor for name, tensor in random_state().items() if not name.startswith(gone)}
    weights = published_weights(state)
    assert len(weights.sizes.modalities) == 2
    assert len(weights.set_aside) == 4, "its decoder"
    built(weights.sizes).load_state_dict(weights.encoder, strict=True)


def refusal(state: Mapping[str, torch.Tensor | np.ndarray]) -> str:
    with pytest.raises(DataError) as caught:
        published_weights(state)
    return str(caught.value)


def test_every_name_that_is_missing_or_left_over_is_listed_in_one_error() -> None:
    state = random_state()
    for name in ("GU_video.cg.fc.bias", "DAVEnet.layer2.0.downsample.1.running_var", "recon_a.2.weight"):
        state[f"{name}s"] = state.pop(name)
    message = refusal(state)
    assert "3 missing: " in message
    assert "3 unknown: " in message
    for name in ("GU_video.cg.fc.bias", "DAVEnet.layer2.0.downsample.1.running_var", "recon_a.2.weight"):
        assert f"{name}," in message or f"{name};" in message
        assert f"{name}s" in message


@pytest.mark.parametrize("name", sorted(random_state()))
def test_no_tensor_may_be_missing(name: str) -> None:
    state = random_state()
    del state[name]
    assert f"1 missing: {name}. " in refusal(state)


@pytest.mark.parametrize(
    "extra",
    ["DAVEnet.layer1.2.conv1.weight", "GU_video.extra.bias", "optimizer", "module.GU_video.fc.bias", "recon_v.4.bias"],
)
def test_no_tensor_may_be_left_over(extra: str) -> None:
    assert f"1 unknown: {extra}. " in refusal(random_state() | {extra: torch.zeros(3)})


def test_a_fifth_stage_that_is_not_whole_is_missed_by_name() -> None:
    message = refusal(random_state() | {"DAVEnet.layer5.0.conv2.weight": torch.zeros(8, 8, 1, 9)})
    assert "29 missing: DAVEnet.layer5.0.conv1.weight, " in message
    assert " and 9 more. " in message, "a long list says how long it is"


@pytest.mark.parametrize(
    ("name", "shape", "complaint"),
    [
        ("GU_video.cg.fc.bias", (11,), "GU_video.cg.fc.bias (11,) instead of (12,)"),
        ("GU_video.fc.weight", (12, 10, 1), "GU_video.fc.weight (12, 10, 1) instead of (12, 10)"),
        ("DAVEnet.layer3.1.conv1.weight", (5, 5, 1, 7), "(5, 5, 1, 7) instead of (5, 5, 1, 9)"),
        ("DAVEnet.bn1.num_batches_tracked", (1,), "DAVEnet.bn1.num_batches_tracked (1,) instead of ()"),
        ("recon_t.2.weight", (11, 6), "recon_t.2.weight (11, 6) instead of (12, 6)"),
        ("text_pooling_caption.fc.weight", (12,), "text_pooling_caption.fc.weight (12,) instead of (12, 1)"),
        ("DAVEnet.batchnorm1.weight", (40,), "DAVEnet.batchnorm1.weight (40,) instead of (1,)"),
    ],
)
def test_a_shape_that_does_not_fit(name: str, shape: tuple[int, ...], complaint: str) -> None:
    message = refusal(random_state() | {name: torch.zeros(shape)})
    assert "1 of another shape than the rest asks for: " in message
    assert complaint in message


def test_a_joint_width_that_branches_do_not_share() -> None:
    other = random_state(Sizes(dim=9, hidden=None))
    state = random_state(Sizes(hidden=None)) | {n: t for n, t in other.items() if n.startswith(("text_", "GU_text"))}
    message = refusal(state)
    assert "6 of another shape" in message
    assert "GU_text_captions.cg.fc.weight (9, 9) instead of (12, 12)" in message


def test_numbers_of_another_kind_or_not_finite() -> None:
    state = random_state()
    state["GU_audio.fc.bias"] = state["GU_audio.fc.bias"].double()
    state["DAVEnet.bn1.num_batches_tracked"] = torch.tensor(3.0)
    state["GU_video.fc.weight"][3, 2] = torch.nan
    state["DAVEnet.bn1.running_var"][0] = torch.inf
    message = refusal(state)
    assert "GU_audio.fc.bias torch.float64" in message
    assert "DAVEnet.bn1.num_batches_tracked torch.float32" in message
    assert "2 not finite: GU_video.fc.weight, DAVEnet.bn1.running_var" in message


def test_other_models_are_named() -> None:
    assert "tri_modal_fuse" in refusal(random_state() | {"GU_audio_text.fc_audio.weight": torch.zeros(12, 6)})
    assert "natural_audio" in refusal(random_state() | {"nat_DAVEnet.conv1.weight": torch.zeros(4, 1, 40, 1)})
    assert "there is fc.bias, fc.weight" in refusal({"fc.weight": torch.zeros(2, 2), "fc.bias": torch.zeros(2)})
    assert "nothing at all" in refusal({})


def test_a_branch_that_is_not_there_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigError, match="did you mean 'video'"):
        published_weights(random_state(), only=("vidoe", "text"))
    with pytest.raises(ConfigError, match="name one modality or more"):
        published_weights(random_state(), only=())
