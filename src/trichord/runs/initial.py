"""Starting from the weights of another model instead of random ones."""

from __future__ import annotations

import torch

from trichord.adapters.lora import plain_state
from trichord.encoders import JointEncoder, WordPool
from trichord.errors import RunError
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.model import Model


def check_initial(config: ExperimentConfig, initial: Model | None) -> None:
    """Raise `RunError` unless the model is the one that the experiment names."""
    given = None if initial is None else initial.identity
    if given != config.initial:
        wanted = "from random weights" if config.initial is None else f"from the weights {config.initial}"
        raise RunError(
            f"the experiment starts {wanted}, got {given or 'no model'}; give the model it was planned with, or plan "
            "it anew"
        )


def start_from(model: JointEncoder, initial: Model) -> None:
    """Copy every weight of every encoder; word vectors are the data's own and stay.

    Raises:
        RunError: an encoder is missing, or a weight is missing, left over, or of another shape.
    """
    for name in model.modalities:
        if not initial.supports(name):
            raise RunError(f"the initial model has no {name!r} encoder, only {list(initial.modalities)}")
        given, wanted = weights(initial.encoder, name), weights(model, name)
        unlike = sorted(
            key
            for key in {*given, *wanted}
            if key not in given or key not in wanted or given[key].shape != wanted[key].shape
        )
        if unlike:
            raise RunError(
                f"the {name} encoder of the initial model does not fit this experiment: {', '.join(unlike[:5])}; build "
                "the experiment from that model's configuration"
            )
        with torch.no_grad():
            for key, tensor in wanted.items():
                tensor.copy_(given[key])


def weights(model: JointEncoder, name: str) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers of one encoder, without a table of word vectors and without adapters."""
    encoder = model.encoder(name)
    state = plain_state(encoder)
    if isinstance(encoder, WordPool):
        state.pop("table", None)
    return state
