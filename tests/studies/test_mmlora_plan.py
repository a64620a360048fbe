"""What a study of MMLoRA trains, how a setting is chosen, and how rows are held against the controls. All pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from trichord.classification.experiment import Kind
from trichord.errors import ConfigError, ProtocolError
from trichord.evaluation.class_results import compare_classes
from trichord.evaluation.class_scores import ClassScores
from trichord.metrics.bootstrap import holm
from trichord.reports.mmlora.record import Cost, Family
from trichord.studies.mmlora import entrants
from trichord.studies.mmlora.assemble import best_row
from trichord.studies.mmlora.comparing import build_rows, compare_all, deciding, rank_effects
from trichord.studies.mmlora.entrants import Entrant, Scores, edge, ensemble_cost
from trichord.studies.mmlora.plan import Method, Setting, plan_methods
from trichord.studies.mmlora.select import choose
from trichord.studies.mmlora.trained import Trained
from trichord.studies.mmlora.under_training import find_under_training

COST = Cost(10, 20, 400, None, 3, 1.5, 0.0)


@dataclass(frozen=True)
class Answering(Trained):
    """A method whose answers are at hand and lie in no folder: split -> one entry per setting."""

    at_hand: Mapping[str, list[Scores]] = field(default_factory=dict)

    def scores(self, split: str, name: str = "all", setting: int | None = None) -> Scores:
        return self.at_hand[split][self.chosen if setting is None else setting]


def test_two_modalities_have_every_placement_and_every_control() -> None:
    methods = plan_methods(["video", "audio"], [4, 1], 0.01, 0.004)
    assert [method.name for method in methods] == [
        "expert on video",
        "expert on audio",
        "LoRA expert on video",
        "LoRA expert on audio",
        "MMLoRA on video",
        "MMLoRA on audio",
        "MMLoRA on all",
        "classifier alone",
        "joint",
        "joint with teachers (UMT)",
        "MMLoRA on all over LoRA experts",
    ]
    known = {method.name: method for method in methods}
    assert known["MMLoRA on audio"].adapted == ("audio",)
    assert known["MMLoRA on all"].experts == {"video": "expert on video", "audio": "expert on audio"}
    assert known["MMLoRA on all over LoRA experts"].experts["audio"] == "LoRA expert on audio"
    assert [setting.words for setting in known["MMLoRA on all"].settings] == ["rank 1", "rank 4"]
    assert [setting.words for setting in known["joint"].settings] == ["learning rate 0.005", "learning rate 0.01"]
    alone = known["classifier alone"]
    assert [setting.value for setting in alone.settings] == [0.002, 0.004]
    assert (alone.kind, alone.adapted, alone.experts) == ("head", (), known["MMLoRA on all"].experts)
    assert known["expert on video"].settings[0].words == ""


@pytest.mark.parametrize("ranks", [(4,), (1, 4), (1, 4, 8, 16, 32, 64)])
def test_every_method_of_several_modalities_chooses_among_as_many_settings_ascending(ranks: tuple[int, ...]) -> None:
    for method in plan_methods(["video", "audio"], ranks, 0.01, 0.01):
        values = [setting.value for setting in method.settings]
        assert values == sorted(set(values))
        assert len(values) == (1 if method.name.startswith("expert") else len(ranks))


def test_what_a_method_rests_on_comes_before_it_and_no_two_runs_share_a_folder() -> None:
    methods = plan_methods(["video", "audio", "text", "depth"], [1, 4], 0.01, 0.01)
    seen: set[str] = set()
    for method in methods:
        assert set(method.experts.values()) <= seen
        seen.add(method.name)
    folders = [m.folder(s, seed) for m in methods for s in m.settings for seed in range(2)]
    assert len(set(folders)) == len(folders)
    assert all(folder.startswith("experts/") == ("xpert-on" in folder) for folder in folders if "over" not in folder)
    assert not any(set(folder) & set(" ()") for folder in folders)


def test_one_modality_has_nothing_to_join() -> None:
    names = [method.name for method in plan_methods(["audio"], [1, 4], 0.01, 0.01)]
    assert names == ["expert on audio", "LoRA expert on audio", "MMLoRA on audio"]


def test_controls_can_be_left_out() -> None:
    names = [method.name for method in plan_methods(["video", "audio"], [1], 0.01, 0.01, controls=False)]
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
        plan_methods(modalities, ranks, 0.01, 0.01)


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
    entered = [
        entrant("expert on video", "expert", 0.6, ("video",)),
        entrant("ensemble", "ensemble", 0.7, rests_on=shared),
        entrant("MMLoRA on all", "mmlora", 0.8, rests_on=shared),
        entrant("joint", "joint", 0.7),
        entrant("classifier alone", "head", 0.72, rests_on=shared),
        entrant("linear probe on all", "probe", 0.65),
        entrant("MMLoRA on all over LoRA experts", "mmlora", 0.5, rests_on=frozenset({"LoRA expert on video"})),
    ]
    found = compare_all(entered)
    controls = {"ensemble", "joint", "classifier alone", "linear probe on all"}
    assert {name: set(against) for name, against in found.items()} == {
        "MMLoRA on all": controls,
        "joint": {"ensemble"},
        "classifier alone": {"ensemble", "joint"},
        "linear probe on all": {"ensemble", "joint"},
        "MMLoRA on all over LoRA experts": controls,
    }
    known = {one.name: one.reported for one in entered}
    pairs = [(name, control) for name, against in found.items() for control in against]
    on_the_same = {"MMLoRA on all", "ensemble", "classifier alone"}
    by_hand = [compare_classes(known[a], known[b], "accuracy", matched={a, b} <= on_the_same) for a, b in pairs]
    told = [found[name][control] for name, control in pairs]
    assert len(told) == 13
    assert [paired.p_value for paired in told] == [one.p_value for one in by_hand]
    assert [paired.holm for paired in told] == holm([one.p_value for one in by_hand])
    assert [paired.low for paired in told] == [one.low for one in by_hand]


def test_a_method_differs_in_nothing_from_itself_under_another_name() -> None:
    ensemble = entrant("ensemble", "ensemble", 0.7)
    (paired,) = compare_all([ensemble, replace(ensemble, name="MMLoRA on all", family="mmlora")])[
        "MMLoRA on all"
    ].values()
    assert (paired.difference, paired.p_value, paired.holm) == (0.0, 1.0, 1.0)


def trained(
    name: str, settings: tuple[Setting, ...], answered: list[Scores], chosen: int, family: Family = "mmlora"
) -> Answering:
    """A method of three seeds that answers on every split and under every name alike."""
    kind: Kind = "mmlora" if family == "mmlora" else "expert" if family == "expert" else "joint"
    method = Method(name, family, kind, ("video", "audio"), settings, ("audio",))
    return Answering(method, ((),) * len(settings), chosen, {"test": answered, "val": answered})


def test_what_a_rank_is_worth_is_told_against_the_smallest_and_adjusted_among_placements() -> None:
    ranks = tuple(Setting("rank", float(rank)) for rank in (1, 4, 8))
    one, two, three = (
        [entrant(name, "mmlora", share).reported for share in shares]
        for name, shares in (("a", (0.6, 0.7, 0.8)), ("bb", (0.6, 0.6, 0.7)), ("ccc", (0.7, 0.6, 0.6)))
    )
    done = {
        "MMLoRA on video": trained("MMLoRA on video", ranks, one, 2),
        "MMLoRA on audio": trained("MMLoRA on audio", ranks, two, 1),
        "MMLoRA on all": trained("MMLoRA on all", ranks, three, 0),
        "joint": trained("joint", tuple(Setting("learning rate", one) for one in (0.1, 0.2, 0.3)), three, 1, "joint"),
    }
    found = rank_effects(done, "test")
    assert [(effect.method, effect.rank, effect.smallest) for effect in found] == [
        ("MMLoRA on video", 8, 1),
        ("MMLoRA on audio", 4, 1),
    ]
    by_hand = [
        compare_classes(one[2], one[0], "accuracy", matched=True),
        compare_classes(two[1], two[0], "accuracy", matched=True),
    ]
    assert [effect.paired.difference for effect in found] == [paired.difference for paired in by_hand]
    assert [(effect.paired.low, effect.paired.p_value) for effect in found] == [(p.low, p.p_value) for p in by_hand]
    assert [effect.paired.holm for effect in found] == holm([paired.p_value for paired in by_hand])
    assert rank_effects({"MMLoRA on all": done["MMLoRA on all"]}, "test") == ()


def test_an_edge_is_an_end_of_several_settings() -> None:
    assert [edge(chosen, 3) for chosen in range(3)] == ["smallest", "", "largest"]
    assert edge(0, 1) == ""
    assert [edge(chosen, 2) for chosen in range(2)] == ["smallest", "largest"]


def test_the_ensemble_is_weighed_on_validation_and_never_on_the_reported_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entrants, "trained_cost", lambda *_: COST)
    good, bad = np.ones(40, bool), np.zeros(40, bool)

    def expert(modality: str, validation: np.ndarray, test: np.ndarray) -> Answering:
        method = Method(f"expert on {modality}", "expert", "expert", (modality,))
        said = {"val": [(answers(validation, "val"),)], "test": [(answers(test),)]}
        return Answering(method, ((),), 0, said)

    experts = {"video": expert("video", good, bad), "audio": expert("audio", bad, good)}
    found = entrants.ensemble_entrant("ensemble", experts, ("val", "test"))
    assert deciding(found.validation).value == 100.0
    assert deciding(found.reported).value == 0.0  # audio is right on every reported item, which must not be known
    assert found.setting == "0.55 video + 0.45 audio, logits"  # the most even of those that prefer video


def test_an_encoder_is_under_trained_where_test_and_interval_say_so() -> None:
    random = np.random.default_rng(0)
    seeds = [random.permutation(200) for _ in range(3)]

    def joint_and_expert(shares: tuple[float, ...], alike: bool = False) -> dict[str, Trained]:
        """Joint learning whose seeds are right on these shares of the items, and experts on 0.7 of them."""
        orders = seeds[:1] * 3 if alike else seeds
        joint = tuple(answers(order < 200 * share) for order, share in zip(orders, shares, strict=True))
        expert = tuple(answers(order < 140) for order in orders)
        of_one = {m: trained(f"expert on {m}", (Setting(),), [expert], 0, "expert") for m in ("video", "audio")}
        return {
            "joint": trained("joint", (Setting(),), [joint], 0, "joint"),
            **{e.method.name: e for e in of_one.values()},
        }

    steady = find_under_training(joint_and_expert((0.5, 0.5, 0.5)), "test")
    assert [line.under_trained for line in steady] == [True, True]
    uneven = find_under_training(joint_and_expert((0.7, 0.7, 0.3)), "test")
    assert all(line.difference.holm < 0.05 and line.difference.difference < 0 for line in uneven)
    assert all(line.difference.high >= 0 for line in uneven)  # one seed of three is all of it
    assert [line.under_trained for line in uneven] == [False, False]
    few = find_under_training(joint_and_expert((0.67, 0.67, 0.67), alike=True), "test")
    assert all(line.difference.high < 0 and line.difference.p_value < 0.05 < line.difference.holm for line in few)
    assert [line.under_trained for line in few] == [False, False]  # six items: not beyond chance for two modalities


def test_the_best_row_of_mmlora_is_never_one_over_lora_experts() -> None:
    shares = {"MMLoRA on video": 0.6, "MMLoRA on all": 0.7, "MMLoRA on all over LoRA experts": 0.9}
    rows = build_rows([entrant(name, "mmlora", share) for name, share in shares.items()])
    assert max(rows, key=lambda row: row.validation).name == "MMLoRA on all over LoRA experts"
    assert best_row(rows).name == "MMLoRA on all"
    assert best_row([replace(row, validation=50.0) for row in rows]).name == "MMLoRA on video"


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
