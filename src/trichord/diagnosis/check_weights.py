"""Are the weights those that training made? They are set beside the initial ones, where the seed gives those back."""

from __future__ import annotations

from trichord.diagnosis.facts import EncoderFacts, Facts
from trichord.diagnosis.finding import Evidence, Finding

# Adam moves a weight by about the learning rate per step. Were the signs of its gradient random, it would come as far
# as `EncoderFacts.least_path`; encoders that learn come further. A hundredth of it is no learning.
LEAST_SHARE_OF_PATH = 0.01


def check_file(facts: Facts) -> Finding | None:
    """The model file holds other weights than those the run wrote when it finished."""
    weights = facts.weights
    if weights is None or (weights.fits_own_hash and weights.fits_status is not False and not _strangers(facts)):
        return None
    evidence = [
        Evidence("weights fit the hash beside them", str(weights.fits_own_hash), "True"),
        Evidence("weights fit the hash in status.json", str(weights.fits_status), "True"),
    ]
    if weights.fits_own_hash and weights.encoders:
        evidence += [_moved(encoder) for encoder in weights.encoders]
    strangers = ", ".join(encoder.modality for encoder in _strangers(facts)) or "the whole model"
    untrained = [encoder.modality for encoder in weights.encoders if _untouched(encoder) or encoder.like_fresh]
    guess = f"; {_listed(untrained)} is as random as before any training" if untrained else ""
    return Finding(
        "weights",
        "cause",
        f"Check first whether the trained weights are the ones that were measured: model.safetensors holds others than "
        f"the run finished with ({strangers}){guess}.",
        tuple(evidence),
    )


def check_trained(facts: Facts) -> Finding | None:
    """An encoder is (nearly) as it was initialised: it never learnt, or its weights were not loaded.

    Where a run went on from another model, only an encoder that is exactly the random one of its seed is found.
    """
    if facts.weights is None:
        return None
    idle = [encoder for encoder in facts.weights.encoders if _untouched(encoder) or encoder.like_fresh]
    if not idle:
        return None
    never = [encoder.modality for encoder in idle if not encoder.stages]
    named = _listed([encoder.modality for encoder in idle])
    why = f" (no stage trains {_listed(never)})" if never else ""
    if facts.weights.started_from is not None:
        why = " at random, though the run went on from another model"
    return Finding(
        "weights",
        "cause",
        f"Check first whether the trained weights were really loaded: the {named} encoder is as it was "
        f"initialised{why}.",
        tuple(_moved(encoder) for encoder in facts.weights.encoders),
    )


def _strangers(facts: Facts) -> list[EncoderFacts]:
    encoders = () if facts.weights is None else facts.weights.encoders
    return [encoder for encoder in encoders if encoder.as_recorded is False]


def _untouched(encoder: EncoderFacts) -> bool:
    moved = encoder.moved_rms
    return encoder.as_drawn or (moved is not None and moved <= LEAST_SHARE_OF_PATH * encoder.least_path)


def _moved(encoder: EncoderFacts) -> Evidence:
    if encoder.start_rms is None or encoder.relative_change is None:
        what = f"{encoder.modality} encoder is exactly the random one of the seed"
        return Evidence(what, str(encoder.as_drawn), "False")
    least = LEAST_SHARE_OF_PATH * encoder.least_path / max(encoder.start_rms, 1e-30)
    fresh = ", distributed as at initialisation" if encoder.like_fresh else ""
    return Evidence(
        f"change of the {encoder.modality} encoder, relative to its initial weights{fresh}",
        encoder.relative_change,
        f"above {least:.2g}" if encoder.stages else "no stage trains it",
    )


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
