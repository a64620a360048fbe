"""Starting from the weights of another model instead of random ones."""

from __future__ import annotations

import torch

from trichord.adapters.lora import plain_state
from trichord.config import difference
from trichord.encoders import JointEncoder, WordPool
from trichord.errors import RunError
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.model import Model
from trichord.runs.preprocessing import OF_THE_DATA


def check_initial(config: ExperimentConfig, initial: Model | None) -> None:
    """Raise `RunError` unless the model is the one that the experiment names, its weights as they were."""
    given = None if initial is None else initial.identity
    if given != config.initial:
        wanted = "from random weights" if config.initial is None else f"from the weights {config.initial}"
        raise RunError(
            f"the experiment starts {wanted}, got {given or 'no model'}; give the model it was planned with, or plan "
            "it anew"
        )
    if initial is None:
        return
    if initial.bank.merged is not None:
        raise RunError(
            f"the adapter {initial.bank.merged!r} is merged into the weights of the initial model; unmerge it first"
        )
    if not config.trains_base:
        check_base(config, initial)


def check_base(config: ExperimentConfig, base: Model) -> None:
    """Raise `RunError` where adapters would learn over other encoders than the base's: they would not belong to it.

    How many words a table holds, and which they are where the base does not say, are the data's own.
    """
    for name, encoder in config.model.encoders.items():
        if not base.supports(name):
            raise RunError(f"the base has no {name!r} encoder, only {list(base.modalities)}; adapt a pair that it has")
        own = base.config.model.encoders[name]
        free = {OF_THE_DATA, "word_vectors"} if getattr(own, "word_vectors", None) == "" else {OF_THE_DATA}
        unlike = {path: values for path, values in difference(own, encoder).items() if path not in free}
        if base.config.model.normalize != config.model.normalize:
            unlike["normalize"] = (base.config.model.normalize, config.model.normalize)
        if unlike:
            shown = "; ".join(f"{path}: {a!r} in the base, {b!r} here" for path, (a, b) in unlike.items())
            raise RunError(
                f"the {name} encoder is not that of the base ({shown}); adapters belong to a base as it is: leave "
                "model alone"
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
