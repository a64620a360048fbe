"""One vector per row from a network of transformers: which position, or the mean over which positions.

Every function takes (model, values, lengths); padding has no influence on the vector of a row.
"""

from __future__ import annotations

from typing import Any

import torch

from trichord.shapes import Float, Int, Tensor

# What a network says is a record of transformers with these attributes.
Model = Any


def first_position(model: Model, values: Tensor, lengths: Tensor | None) -> Float[Tensor, "rows width"]:
    """Images: the last layer's vector of the class token, after the final normalisation."""
    states: Tensor = model(pixel_values=values).last_hidden_state
    return states[:, 0]


def image_pooler(model: Model, values: Tensor, lengths: Tensor | None) -> Float[Tensor, "rows width"]:
    """Images: what the network pools itself. CLIP: the normalised class token; SigLIP: its attention pooling."""
    pooled: Tensor = model(pixel_values=values).pooler_output
    return pooled


def spectrogram_pooler(model: Model, values: Tensor, lengths: Tensor | None) -> Float[Tensor, "rows width"]:
    """AST: the mean of its class and distillation tokens, of spectrograms (rows, frames, mels) of one length."""
    pooled: Tensor = model(input_values=values).pooler_output
    return pooled


def samples_mean(model: Model, values: Tensor, lengths: Tensor | None) -> Float[Tensor, "rows width"]:
    """Wav2Vec2: the mean over the frames of the true samples.

    Networks whose first layer normalises over time ("group") see padding in spite of a mask. Their rows are encoded
    with those of the same length, without padding.
    """
    assert lengths is not None, "recordings have lengths"
    if model.config.feat_extract_norm == "group":
        vectors = values.new_zeros(len(values), model.config.hidden_size)
        for length in sorted(set(lengths.tolist())):
            rows = (lengths == length).nonzero()[:, 0]
            found = model(input_values=values[rows, :length]).last_hidden_state.mean(dim=1)
            vectors = vectors.to(found.dtype).index_copy(0, rows, found)
        return vectors
    mask = _true(lengths, values.shape[1])
    states = model(input_values=values, attention_mask=mask.long()).last_hidden_state
    return _mean(states, _frames(model, lengths))


def _frames(model: Model, lengths: Int[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """Count the frames that the convolutions make of so many samples."""
    for kernel, stride in zip(model.config.conv_kernel, model.config.conv_stride, strict=True):
        lengths = torch.div(lengths - kernel, stride, rounding_mode="floor") + 1
    return lengths


def encoder_mean(model: Model, values: Tensor, lengths: Tensor | None) -> Float[Tensor, "rows width"]:
    """Whisper's encoder: the mean over the true frames; it sees the silence up to 30 s, as it was trained to."""
    assert lengths is not None, "recordings have lengths"
    states = model(input_features=values.transpose(1, 2)).last_hidden_state
    return _mean(states, torch.div(lengths - 1, 2, rounding_mode="floor") + 1)  # its second convolution halves them


def token_mean(model: Model, values: Tensor, lengths: Tensor | None) -> Float[Tensor, "rows width"]:
    """Text: the mean over the true tokens of the last layer, the special ones included."""
    assert lengths is not None, "captions have lengths"
    return _mean(_text(model, values, lengths).last_hidden_state, lengths)


def first_token(model: Model, values: Tensor, lengths: Tensor | None) -> Float[Tensor, "rows width"]:
    """Text: the last layer's vector of the first token, [CLS] or <s>."""
    assert lengths is not None, "captions have lengths"
    states: Tensor = _text(model, values, lengths).last_hidden_state
    return states[:, 0]


def text_pooler(model: Model, values: Tensor, lengths: Tensor | None) -> Float[Tensor, "rows width"]:
    """CLIP's text: the normalised vector of the end token."""
    assert lengths is not None, "captions have lengths"
    pooled: Tensor = _text(model, values, lengths).pooler_output
    return pooled


def full_text_pooler(model: Model, values: Tensor, lengths: Tensor | None) -> Float[Tensor, "rows width"]:
    """SigLIP's text: its head on the last position, of captions that are all filled up to one length, unmasked."""
    pooled: Tensor = model(input_ids=values).pooler_output
    return pooled


def _text(model: Model, values: Tensor, lengths: Int[Tensor, " rows"]) -> Any:
    return model(input_ids=values, attention_mask=_true(lengths, values.shape[1]).long())


def _true(lengths: Int[Tensor, " rows"], time: int) -> Tensor:
    return torch.arange(time, device=lengths.device) < lengths[:, None]


def _mean(states: Float[Tensor, "rows time width"], lengths: Int[Tensor, " rows"]) -> Float[Tensor, "rows width"]:
    kept = _true(lengths, states.shape[1])[:, :, None]
    return states.masked_fill(~kept, 0).sum(dim=1) / lengths[:, None]


def samples_needed(config: Any) -> int:
    """Return how many samples Wav2Vec2's convolutions need for one frame."""
    needed = 1
    for kernel, stride in reversed(list(zip(config.conv_kernel, config.conv_stride, strict=True))):
        needed = (needed - 1) * stride + kernel
    return needed
