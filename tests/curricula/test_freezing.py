import pytest
import torch
from torch import nn

from trichord.curricula import frozen_hashes, set_trainable, training_mode, verify_frozen
from trichord.encoders import GlobalBatchNorm2d
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


def adapted_encoders() -> nn.ModuleDict:
    """Video has matrices that learn beside frozen weights, dropout, batch statistics of both kinds; text has none."""
    video = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.BatchNorm1d(2), GlobalBatchNorm2d(2))
    video.add_module("lora", nn.Linear(2, 2))
    modules = nn.ModuleDict({"video": video, "text": nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))})
    set_trainable(modules, ())
    modules["video"].get_submodule("lora").requires_grad_(True)
    return modules


def test_through_an_adapter_a_frozen_encoder_drops_inputs_and_keeps_its_statistics() -> None:
    modules = adapted_encoders()
    training_mode(modules, (), ("video",))
    assert [part.training for part in modules["video"]] == [True, True, False, False, True]
    assert not any(part.training for part in modules["text"].modules())
    training_mode(modules, ("video",), ("video",))
    assert all(part.training for part in modules["video"].modules()), "what learns whole takes batch statistics"
    training_mode(modules, (), ())
    assert not any(part.training for part in modules["video"].modules())


OWN = ("video.lora.weight", "video.lora.bias")


def test_matrices_that_learn_are_no_part_of_what_is_frozen() -> None:
    modules = adapted_encoders()
    before = frozen_hashes(modules, (), OWN)
    with torch.no_grad():
        modules["video"].get_submodule("lora").weight.add_(1)
    verify_frozen(modules, before, "VT", OWN)
    with pytest.raises(TrainingError, match=r"VT.*video"):
        verify_frozen(modules, before, "VT")
    for moved in (modules["video"][0].weight, modules["video"][3].running_var, modules["text"][0].bias):
        before = frozen_hashes(modules, (), OWN)
        with torch.no_grad():
            moved.view(-1)[0] += 1e-3
        with pytest.raises(TrainingError, match="moved during training"):
            verify_frozen(modules, before, "VT", OWN)


def test_a_weight_that_learns_by_mistake_is_found() -> None:
    """Asking for gradients excuses nothing: that is how a frozen part moves."""
    modules = adapted_encoders()
    modules["video"][0].requires_grad_(True)
    before = frozen_hashes(modules, (), OWN)
    with torch.no_grad():
        modules["video"][0].weight.sub_(0.1)
    with pytest.raises(TrainingError, match=r"VT.*video"):
        verify_frozen(modules, before, "VT", OWN)


def test_where_nothing_of_the_base_learns_no_encoder_need_have_parameters() -> None:
    modules = encoders()
    set_trainable(modules, ())
    assert not any(parameter.requires_grad for parameter in modules.parameters())
    assert set(frozen_hashes(modules, ())) == {"video", "text"}
