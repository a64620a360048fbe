import pytest
import torch
from torch import nn

from trichord.curricula import frozen_hashes, set_trainable, training_mode, verify_frozen
from trichord.errors import ConfigError, TrainingError


def encoders() -> nn.ModuleDict:
    return nn.ModuleDict({"video": nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "text": nn.Linear(2, 2)})


def test_only_the_named_encoders_learn() -> None:
    modules = encoders()
    set_trainable(modules, ("text",))
    assert all(p.requires_grad for p in modules["text"].parameters())
    assert not any(p.requires_grad for p in modules["video"].parameters())
    set_trainable(modules, ("video",))
    assert all(p.requires_grad for p in modules["video"].parameters())


def test_unknown_and_empty_choices_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'video'"):
        set_trainable(encoders(), ("vidoe",))
    with pytest.raises(ConfigError, match="no parameters"):
        set_trainable(nn.ModuleDict({"video": nn.Identity()}), ("video",))


def test_frozen_encoders_are_in_evaluation_mode() -> None:
    modules = encoders()
    training_mode(modules, ("text",))
    assert modules["text"].training
    assert not modules["video"].training


@pytest.mark.parametrize("what", ["parameter", "buffer"])
def test_a_frozen_part_that_moves_is_found(what: str) -> None:
    modules = encoders()
    hashes = frozen_hashes(modules, ("text",))
    assert set(hashes) == {"video"}
    verify_frozen(modules, hashes, "VA_T")
    with torch.no_grad():
        modules["text"].weight.add_(1)
    verify_frozen(modules, hashes, "VA_T")
    with torch.no_grad():
        moved = modules["video"][0].weight if what == "parameter" else modules["video"][1].running_mean
        moved.view(-1)[0] += 1e-7
    with pytest.raises(TrainingError, match=r"VA_T.*video"):
        verify_frozen(modules, hashes, "VA_T")
