"""What a study of MMLoRA trains, how a setting is chosen, and how rows are held against the controls. All pure."""

from dataclasses import replace

import numpy as np
import pytest

from trichord.errors import ConfigError, ProtocolError
from trichord.evaluation.class_results import compare_classes
from trichord.evaluation.class_scores import ClassScores
from trichord.metrics.bootstrap import holm
from trichord.reports.mmlora.record import Cost, Family
from trichord.studies.mmlora.comparing import build_rows, compare_all
from trichord.studies.mmlora.entrants import Entrant, ensemble_cost
from trichord.studies.mmlora.plan import plan_methods
from trichord.studies.mmlora.select import choose

COST = Cost(10, 20, 400, None, 3, 1.5, 0.0)


def test_two_modalities_have_every_placement_and_every_control() -> None:
    methods = plan_methods(["video", "audio"], [4, 1], 0.01)
    assert [method.name for method in methods] == [
        "expert on video",
        "expert on audio",
        "LoRA expert on video",
        "LoRA expert on audio",
        "MMLoRA on video",
        "MMLoRA on audio",
        "MMLoRA on all",
        "joint",
        "teacher (UMT)",
        "MMLoRA on all over LoRA experts",
    ]
    known = {method.name: method for method in methods}
    assert known["MMLoRA on audio"].adapted == ("audio",)
    assert known["MMLoRA on all"].experts == {"video": "expert on video", "audio": "expert on audio"}
    assert known["MMLoRA on all over LoRA experts"].experts["audio"] == "LoRA expert on audio"
    assert [setting.words for setting in known["MMLoRA on all"].settings] == ["rank 1", "rank 4"]
    assert {setting.kind for setting in known["joint"].settings} == {"learning rate"}
    assert known["expert on video"].settings[0].words == ""


@pytest.mark.parametrize("ranks", [(4,), (1, 4), (1, 4, 8, 16, 32, 64)])
def test_every_method_of_several_modalities_chooses_among_as_many_settings_ascending(ranks: tuple[int, ...]) -> None:
    for method in plan_methods(["video", "audio"], ranks, 0.01):
        values = [setting.value for setting in method.settings]
        assert values == sorted(set(values))
        assert len(values) == (1 if method.name.startswith("expert") else len(ranks))


def test_what_a_method_rests_on_comes_before_it_and_no_two_runs_share_a_folder() -> None:
    methods = plan_methods(["video", "audio", "text", "depth"], [1, 4], 0.01)
    seen: set[str] = set()
    for method in methods:
        assert set(method.experts.values()) <= seen
        seen.add(method.name)
    folders = [m.folder(s, seed) for m in methods for s in m.settings for seed in range(2)]
    assert len(set(folders)) == len(folders)
    assert all(folder.startswith("experts/") == ("xpert-on" in folder) for folder in folders if "over" not in folder)
    assert not any(set(folder) & set(" ()") for folder in folders)


def test_one_modality_has_nothing_to_join() -> None:
    names = [method.name for method in plan_methods(["audio"], [1, 4], 0.01)]
    assert names == ["expert on audio", "LoRA expert on audio", "MMLoRA on audio"]


def test_controls_can_be_left_out() -> None:
    names = [method.name for method in plan_methods(["video", "audio"], [1], 0.01, controls=False)]
    assert "joint" in names
    assert not [name for name in names if "LoRA expert" in name or "UMT" in name]


@pytest.mark.parametrize(
    ("modalities", "ranks", "said"),
    [
        ([], [1], "one to four modalities"),
        (list("abcde"), [1], "one to four modalities"),
        (["audio"], [], "ranks are at least 1"),
        (["audio"], [0, 1], "ranks are at least 1"),
        (["audio"], [4, 4], "each named once"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(modalities: list[str], ranks: list[int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan_methods(modalities, ranks, 0.01)


def test_the_best_mean_is_chosen_and_of_equal_ones_the_smallest() -> None:
    assert choose([[50.0, 52.0], [53.0, 51.0], [40.0, 60.0]]) == 1  # means 51, 52, 50
    assert choose([[0.1, 0.2], [0.2, 0.1], [0.15, 0.15]]) == 0  # equal up to the order of summation
    assert choose([[3.0]]) == 0
    for unlike in ([], [[]], [[1.0, 2.0], [3.0]]):
        with pytest.raises(ProtocolError, match="same seeds"):
            choose(unlike)


def answers(right: np.ndarray, split: str = "test") -> ClassScores:
    """One seed that answers the named items rightly, and otherwise with the other class."""
    items = len(right)
    truth = np.arange(items) % 2
    said = np.where(right, truth, 1 - truth)
    logits = np.eye(2, dtype=np.float32)[said]
    return ClassScores("mood", ("calm", "glad"), False, split, np.arange(items), truth, logits, np.ones(items, bool))


def entrant(name: str, family: Family, share: float, modalities: tuple[str, ...] = ("video", "audio"), **more: object):
    random = np.random.default_rng(len(name))
    scores = tuple(answers(random.random(200) < share) for _ in range(3))
    return Entrant(name, family, modalities, (), "", 1, scores, scores, COST, **more)  # type: ignore[arg-type]


def test_differences_are_adjusted_over_all_of_them_and_the_controls_are_compared_once() -> None:
    shared = frozenset({"expert on video", "expert on audio"})
    entrants = [
        entrant("expert on video", "expert", 0.6, ("video",)),
        entrant("ensemble", "ensemble", 0.7, rests_on=shared),
        entrant("MMLoRA on all", "mmlora", 0.8, rests_on=shared),
        entrant("joint", "joint", 0.7),
    ]
    found = compare_all(entrants)
    assert {name: set(against) for name, against in found.items()} == {
        "MMLoRA on all": {"ensemble", "joint"},
        "joint": {"ensemble"},
    }
    by_hand = [
        compare_classes(entrants[2].reported, entrants[1].reported, "accuracy", matched=True),
        compare_classes(entrants[2].reported, entrants[3].reported, "accuracy"),
        compare_classes(entrants[3].reported, entrants[1].reported, "accuracy"),
    ]
    told = [found["MMLoRA on all"]["ensemble"], found["MMLoRA on all"]["joint"], found["joint"]["ensemble"]]
    assert [paired.p_value for paired in told] == [one.p_value for one in by_hand]
    assert [paired.holm for paired in told] == holm([one.p_value for one in by_hand])
    assert [paired.low for paired in told] == [one.low for one in by_hand]


def test_a_method_differs_in_nothing_from_itself_under_another_name() -> None:
    ensemble = entrant("ensemble", "ensemble", 0.7)
    (paired,) = compare_all([ensemble, replace(ensemble, name="MMLoRA on all", family="mmlora")])[
        "MMLoRA on all"
    ].values()
    assert (paired.difference, paired.p_value, paired.holm) == (0.0, 1.0, 1.0)


def test_a_row_holds_means_over_seeds() -> None:
    scores = (answers(np.array([True] * 3 + [False])), answers(np.array([True, False, False, False])))
    row, *_ = build_rows([Entrant("joint", "joint", ("video", "audio"), (), "", 1, scores, scores, COST)])
    assert row.validation == row.metrics["accuracy"].value == 50.0
    assert [(line.name, line.items) for line in row.classes] == [("calm", 2), ("glad", 2)]
    assert row.classes[0].recall == 75.0
    assert row.confusion[0] == (75.0, 25.0)
    assert dict(row.against) == {}


def test_an_ensemble_costs_what_its_experts_do() -> None:
    found = ensemble_cost([COST, replace(COST, trainable=5, training_bytes=900, epochs=2, seconds=0.5)])
    assert (found.trainable, found.training_bytes, found.epochs, found.seconds) == (15, 900, 3, 2.0)
    assert found.device_bytes is None
