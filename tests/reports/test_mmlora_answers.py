from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from mmlora_report_cases import OWN_CONTROLS, RANKS, estimate, make_mmlora_report, paired

from trichord.metrics.bootstrap import Estimate
from trichord.reports.mmlora.answers import (
    tell_best,
    tell_cost,
    tell_missing,
    tell_others,
    tell_under_training,
    write_answers,
)
from trichord.reports.mmlora.control_answers import tell_matrices, tell_rivals
from trichord.reports.mmlora.rank_answers import tell_edges, tell_ranks
from trichord.reports.mmlora.record import MethodRow, MMLoRAReport, Paired, RankEffect, RankPoint
from trichord.reports.mmlora.standing import ALONE, PROBE, apart, controls, left_behind, reservation, standing
from trichord.reports.mmlora.words import show_share, show_size

VIDEO = "MMLoRA on video"


def changed_row(report: MMLoRAReport, name: str, **changes: Any) -> MMLoRAReport:
    rows: tuple[MethodRow, ...] = tuple(replace(row, **changes) if row.name == name else row for row in report.methods)
    return replace(report, methods=rows)


@pytest.mark.parametrize(
    ("found", "said", "doubt"),
    [
        (Paired(2.0, 0.5, 3.5, 0.01, 0.03), "better", ""),
        (Paired(-2.0, -3.5, -0.5, 0.01, 0.03), "worse", ""),
        (Paired(2.0, 0.5, 3.5, 0.01, 0.05), "no difference shown", "adjusted test does not"),
        (Paired(2.0, -0.5, 4.5, 0.001, 0.003), "no difference shown", "holds the seeds, includes 0"),
        (Paired(2.0, 0.0, 4.0, 0.001, 0.003), "no difference shown", "includes 0"),
        (Paired(0.0, 0.0, 0.0, 1.0, 1.0), "no difference shown", ""),
    ],
)
def test_a_difference_is_claimed_where_test_and_interval_agree(found: Paired, said: str, doubt: str) -> None:
    assert standing(found) == said
    assert doubt in reservation(found)
    assert bool(reservation(found)) == bool(doubt)


def test_the_best_setting_is_held_against_both_controls() -> None:
    told = tell_best(make_mmlora_report(differences={(VIDEO, "ensemble"): paired(1.6, 1.2, 0.012)}))
    assert told == (
        "On val, among 18 settings of MMLoRA, MMLoRA on video (rank 64) is best; its accuracy on test is 54.4 "
        "[50.6, 58.2]: better than the ensemble (+1.6 points [+0.4, +2.8], p = 0.012) and not distinguishable from "
        "joint learning (+0.8 points [−1.3, +2.9], p = 0.480), adjusted by Holm's rule."
    )
    level = tell_best(make_mmlora_report())
    assert "not distinguishable from the ensemble (" in level
    assert ") or joint learning (" in level
    assert "better" not in level
    lost = {(VIDEO, name): paired(-3.0, 1.0, 0.0005) for name in ("ensemble", "joint")}
    worse = tell_best(make_mmlora_report(differences=lost))
    assert "worse than the ensemble (−3.0 points [−4.0, −2.0], p < 0.001) and joint learning (" in worse
    assert "distinguishable" not in worse


def test_a_test_without_its_interval_is_no_claim() -> None:
    told = tell_best(make_mmlora_report(differences={(VIDEO, "joint"): paired(1.6, 1.9, 0.012)}))
    assert "better" not in told
    assert told.endswith(
        "Against joint learning, these very models differ, but the interval, which holds the seeds, includes 0."
    )


def test_one_setting_without_controls_says_so() -> None:
    made = make_mmlora_report()
    row = replace(made.method(VIDEO), against={}, tries=1)
    told = tell_best(replace(made, methods=(row,)))
    assert told == (
        "MMLoRA on video (rank 64) is the one setting of MMLoRA that was tried; its accuracy on test is 54.4 "
        "[50.6, 58.2], and it was compared with nothing."
    )
    two = tell_best(replace(made, methods=(replace(row, tries=2, setting=""),)))
    assert two.startswith("On val, among 2 settings of MMLoRA, MMLoRA on video is best; ")


def test_without_mmlora_the_experts_are_told() -> None:
    assert write_answers(make_mmlora_report(("video",), best="")) == (
        "MMLoRA was not measured, so nothing can be said about it. By accuracy on test: expert video 42.4 [38.6, "
        "46.2].",
    )
    nothing = make_mmlora_report(methods=(), ranks=(), rank_effects=(), under_training=(), best="")
    assert write_answers(nothing) == ("MMLoRA was not measured, so nothing can be said about it.",)


def test_other_rows_are_told_where_they_differ() -> None:
    assert tell_others(make_mmlora_report()) == (
        "For none of the other 3 rows of MMLoRA is a difference shown from the ensemble, joint learning, the "
        "classifier alone or the linear probe on all."
    )
    found = {
        ("MMLoRA on audio", "joint"): paired(-1.5, 1.2, 0.03),
        ("MMLoRA on all", "ensemble"): paired(2.0, 1.2, 0.03),
        ("MMLoRA on all", PROBE): paired(-4.0, 1.2, 0.03),
    }
    assert tell_others(make_mmlora_report(differences=found)) == (
        "Of the other 3 rows of MMLoRA, MMLoRA on audio is worse than joint learning (−1.5 points [−2.7, −0.3]); "
        "MMLoRA on all is better than the ensemble (+2.0 points [+0.8, +3.2]); MMLoRA on all is worse than the linear "
        "probe on all (−4.0 points [−5.2, −2.8]); beyond that no difference from the ensemble, joint learning, the "
        "classifier alone or the linear probe on all is shown."
    )
    made = make_mmlora_report()
    kept = tuple(row for row in made.methods if row.name in (VIDEO, "MMLoRA on all", "joint"))
    told = tell_others(replace(made, methods=kept))
    assert told.startswith("For the other row, MMLoRA on all, no difference is shown from ")
    assert tell_others(replace(made, methods=kept[:1])) == ""


def effect(found: Paired, method: str = VIDEO, rank: int = 64) -> RankEffect:
    return RankEffect(method, rank, 1, found)


def curve(method: str = VIDEO, chosen: int = 1) -> tuple[RankPoint, ...]:
    return tuple(RankPoint(method, rank, estimate(50.0), estimate(50.0), 400 * rank, rank == chosen) for rank in RANKS)


def test_the_rank_matters_only_where_its_test_and_interval_agree() -> None:
    made = make_mmlora_report(ranks=())
    [steep] = tell_ranks(replace(made, rank_effects=(effect(paired(3.0, 1.0, 0.012)),)))
    assert steep == (
        "The rank matters for MMLoRA on video: on test, rank 64, which val chose, is better than rank 1, the smallest "
        "(+3.0 points [+2.0, +4.0], p = 0.012)."
    )
    [lost] = tell_ranks(replace(made, rank_effects=(effect(paired(-3.0, 1.0, 0.012)),)))
    assert "rank 64, which val chose, is worse than rank 1, the smallest (−3.0 points" in lost
    level = effect(paired(0.6), "MMLoRA on all", 16)
    both = tell_ranks(replace(made, rank_effects=(effect(paired(3.0, 1.0, 0.012)), level)))
    assert both == (
        steep,
        "On test, the rank that val chose is not shown to differ from the smallest: MMLoRA on all, rank 16 less rank "
        "1, +0.6 points [−1.5, +2.7].",
    )
    [doubted] = tell_ranks(replace(made, rank_effects=(effect(paired(1.6, 1.9, 0.012)), level)))
    assert "matters" not in doubted
    assert doubted.endswith(
        "For MMLoRA on video, these very models differ, but the interval, which holds the seeds, includes 0."
    )
    assert tell_ranks(replace(made, rank_effects=())) == ()


def test_the_extremes_of_the_reported_split_are_no_claim() -> None:
    """Of many ranks, the best and the worst on the reported split differ by luck: nothing is made of them."""
    made = make_mmlora_report(rank_effects=())
    far = tuple(
        replace(point, test=estimate(20.0 if point.rank == 8 else 90.0, 1.0), chosen=point.rank == 4)
        for point in curve()
    )
    assert tell_ranks(replace(made, ranks=far)) == ()


def test_the_smallest_rank_being_chosen_is_told() -> None:
    made = make_mmlora_report(rank_effects=())
    told = tell_ranks(replace(made, ranks=(*curve(), *curve("MMLoRA on all", 4))))
    assert told == (
        "Validation chose the smallest rank for MMLoRA on video (rank 1), so that no larger one is compared.",
    )
    assert tell_ranks(replace(made, ranks=curve()[:1])) == (), "one rank is no curve"


def test_ends_of_what_was_tried_are_told_of_every_method() -> None:
    assert tell_edges(make_mmlora_report()) == (
        "Validation chose the largest setting that was tried for MMLoRA on video (rank 64), and the smallest setting "
        "that was tried for joint with teachers (UMT) (distillation weight 0.3): beyond, a better one might lie."
    )
    made = changed_row(make_mmlora_report(), "joint with teachers (UMT)", at_edge="")
    rival = changed_row(changed_row(made, VIDEO, at_edge=""), "joint", at_edge="largest")
    assert tell_edges(rival) == (
        "Validation chose the largest setting that was tried for joint (learning rate 0.001): beyond, a better one "
        "might lie."
    )
    least = changed_row(made, VIDEO, at_edge="smallest", setting="rank 1")
    assert tell_edges(least) == "", "there is no rank below 1"
    assert tell_edges(changed_row(made, VIDEO, at_edge="smallest", setting="rank 4")).startswith(
        "Validation chose the smallest setting that was tried for MMLoRA on video (rank 4): "
    )


def test_what_the_matrices_add_is_told_by_the_classifier_alone() -> None:
    alone, probe = tell_matrices(make_mmlora_report())
    assert alone == (
        "That the matrices add anything is not shown: MMLoRA on video is not distinguishable from the classifier alone "
        "over the same frozen experts (+2.2 points [+0.1, +4.3], p = 0.480). Against the classifier alone, the "
        "interval excludes 0, but the adjusted test does not bear it out."
    )
    assert probe.startswith("MMLoRA on video is not distinguishable from the linear probe on all, for which")
    gains = {(VIDEO, ALONE): paired(2.2, 1.0, 0.012), (VIDEO, PROBE): paired(-5.0, 1.0, 0.0001)}
    assert tell_matrices(make_mmlora_report(differences=gains)) == (
        "The matrices add to what the classifier alone reaches over the same frozen experts: MMLoRA on video is better "
        "than it (+2.2 points [+1.2, +3.2], p = 0.012).",
        "MMLoRA on video is worse than the linear probe on all, for which no expert is learnt (−5.0 points [−6.0, "
        "−4.0], p < 0.001).",
    )
    turned = {(VIDEO, ALONE): paired(-2.2, 1.0, 0.012), (VIDEO, PROBE): paired(5.0, 1.0, 0.0001)}
    lost, won = tell_matrices(make_mmlora_report(differences=turned))
    assert lost.startswith("The matrices take away from what the classifier alone reaches")
    assert won == "MMLoRA on video is better than the linear probe on all (+5.0 points [+4.0, +6.0], p < 0.001)."
    assert tell_matrices(make_mmlora_report(("video",))) == ()
    assert tell_matrices(make_mmlora_report(("video",), best="")) == ()


def test_what_validation_prefers_to_mmlora_is_told() -> None:
    made = make_mmlora_report()
    assert tell_rivals(made) == ()
    ahead = changed_row(changed_row(made, PROBE, validation=58.8), "joint", validation=56.0)
    assert tell_rivals(ahead) == (
        "On val, linear probe on all (58.8) and joint (56.0) are above MMLoRA on video (55.7): asked among all rows, "
        "it would choose linear probe on all.",
    )
    level = changed_row(made, PROBE, validation=made.method(VIDEO).validation + 1e-13)
    assert tell_rivals(level) == (), "level is not above"
    control = changed_row(made, "MMLoRA on all over LoRA experts", validation=56.0)
    assert tell_rivals(control)[0].startswith("On val, MMLoRA on all over LoRA experts (56.0) is above MMLoRA on video")
    other = changed_row(made, "MMLoRA on all", validation=56.0)
    assert tell_rivals(other) == (), "rows that the best one was chosen from are no rivals"
    assert tell_rivals(make_mmlora_report(("video",), best="")) == ()


def test_a_method_that_beats_a_control_without_mmlora_is_told() -> None:
    wins = {
        (PROBE, "ensemble"): paired(8.3, 5.0, 0.01),
        (PROBE, "joint"): paired(6.0, 4.7, 0.116),
        ("joint", "ensemble"): paired(3.0, 1.0, 0.01),
        ("joint with teachers (UMT)", "ensemble"): paired(-3.0, 1.0, 0.01),
        (VIDEO, "ensemble"): paired(2.0, 1.0, 0.01),
        ("MMLoRA on all over LoRA experts", "ensemble"): paired(2.0, 1.0, 0.01),
    }
    made = make_mmlora_report(differences=wins)
    assert tell_rivals(made) == (
        "Beside MMLoRA, on test, linear probe on all is better than the ensemble (+8.3 points [+3.3, +13.3], p = "
        "0.010); joint is better than the ensemble (+3.0 points [+2.0, +4.0], p = 0.010).",
    )


def test_every_part_is_among_the_answers_the_matrices_right_after_the_best() -> None:
    made = make_mmlora_report(differences={("joint", "ensemble"): paired(3.0, 1.0, 0.01)})
    made = changed_row(made, PROBE, validation=58.8)
    said = write_answers(made)
    parts = [tell_best(made), *tell_matrices(made), *tell_rivals(made), tell_others(made), *tell_ranks(made)]
    assert list(said[: len(parts)]) == parts
    assert len(parts) == 7
    assert said[len(parts)] == tell_edges(made)


def test_intervals_that_touch_are_not_apart() -> None:
    assert not apart(Estimate(1, 0, 2), Estimate(3, 2, 4))
    assert apart(Estimate(1, 0, 2), Estimate(3, 2.1, 4))
    assert apart(Estimate(3, 2.1, 4), Estimate(1, 0, 2))


def test_the_modality_that_was_left_behind_is_named_with_how_much() -> None:
    told = tell_under_training(make_mmlora_report(behind={"audio": paired(-6.9, 2.2, 0.0004)}))
    assert told == (
        "Joint learning left under-trained: audio (a linear probe of its encoder reaches 25.1 [21.3, 28.9] where one "
        "of the expert's reaches 32.0 [28.2, 35.8]: −6.9 points [−9.1, −4.7], p < 0.001). Not shown of video (−0.4 "
        "points [−2.5, +1.7]).",
        "Joint learning with teachers (UMT) is not shown to leave any modality under-trained; the probe of its "
        "encoder minus that of the expert's: video (+0.2 points [−1.9, +2.3]) and audio (+0.2 points [−1.9, +2.3]).",
    )
    both = {"audio": paired(-6.9, 2.2, 0.001), "video": paired(-3.0, 1.0, 0.01)}
    every = tell_under_training(make_mmlora_report(behind=both))[0]
    assert "Not shown" not in every
    assert every.count("a linear probe of its encoder") == 2


def test_under_training_is_not_claimed_against_the_interval() -> None:
    made = make_mmlora_report(behind={"audio": paired(-2.0, 2.2, 0.01)})
    line = next(line for line in made.under_training if line.modality == "audio")
    assert line.under_trained
    assert not left_behind(line)
    told = tell_under_training(made)[0]
    assert told.startswith("Joint learning is not shown to leave any modality under-trained")
    assert "For audio, these very models differ, but the interval" in told
    assert told.endswith("(p = 0.010).")


def test_an_encoder_that_gained_is_told_too() -> None:
    told = tell_under_training(make_mmlora_report(behind={"video": paired(3.0, 1.0, 0.01)}))[0]
    assert told.endswith("Video is even ahead of the expert's.")
    both = {one: paired(3.0, 1.0, 0.01) for one in ("video", "audio")}
    assert "Video and audio are even ahead" in tell_under_training(make_mmlora_report(behind=both))[0]
    assert tell_under_training(make_mmlora_report(("video",))) == ()


def test_what_a_removed_modality_costs_is_told_with_its_intervals() -> None:
    made = make_mmlora_report()
    [told] = tell_missing(changed_row(made, VIDEO, without={"video": estimate(30.0), "audio": estimate(52.0)}))
    assert told == (
        "With a modality removed at test time, the accuracy of MMLoRA on video is, instead of 54.4 [50.6, 58.2], "
        "without video 30.0 [26.2, 33.8] (−24.4 points) and without audio 52.0 [48.2, 55.8] (−2.4 points; its interval "
        "touches that of all modalities)."
    )
    assert tell_missing(changed_row(made, VIDEO, without={})) == ()


def test_the_cost_stands_beside_that_of_joint_learning() -> None:
    made = make_mmlora_report()
    assert tell_cost(made) == (
        "In its last stage, MMLoRA on video (rank 64) learns 3,424 parameters, 4.0 % of the 86,152 of joint learning, "
        "with 54.8 kB of weights, gradients and optimizer state against 1.4 MB; all stages together took 7.5 s against "
        "3.3 s."
    )
    alone = replace(made, methods=tuple(row for row in made.methods if row.family != "joint"))
    assert tell_cost(alone) == (
        "In its last stage, MMLoRA on video (rank 64) learns 3,424 parameters (54.8 kB of weights, gradients and "
        "optimizer state); all stages together took 7.5 s."
    )


def test_one_seed_is_a_caution() -> None:
    assert write_answers(make_mmlora_report(seeds=(0,)))[-1] == (
        "With one seed, the intervals do not hold the variation of seeds."
    )
    assert not any("With one seed" in said for said in write_answers(make_mmlora_report()))


def test_several_labels_speak_of_f1() -> None:
    said = " ".join(write_answers(make_mmlora_report(several=True)))
    assert "micro F1 on test" in said
    assert "accuracy" not in said


def test_everything_tied_claims_nothing() -> None:
    names = [row.name for row in make_mmlora_report().methods]
    level = {(name, control): Paired(0, 0, 0, 1, 1) for name in names for control in OWN_CONTROLS}
    said = " ".join(write_answers(make_mmlora_report(levels=dict.fromkeys(names, 50.0), differences=level)))
    assert "not distinguishable from the ensemble (0.0 points [0.0, 0.0], p = 1.000)" in said
    assert "better than" not in said
    assert "worse than" not in said


def test_missing_figures_are_left_out() -> None:
    made = changed_row(make_mmlora_report(), VIDEO, metrics={}, without={}, against={})
    said = write_answers(replace(made, ranks=(), rank_effects=(), under_training=()))
    assert said[0].startswith("MMLoRA was not measured")
    assert controls(made) == ("ensemble", "joint", ALONE, PROBE)
    assert len(said) == 4


def test_sizes_and_shares_can_be_read() -> None:
    sizes = {812: "812 B", 1000: "1.0 kB", 1_440_000: "1.4 MB", 3_200_000_000: "3.2 GB"}
    assert {number: show_size(number) for number in sizes} == sizes
    assert [show_share(*pair) for pair in ((1, 7), (1, 300), (3, 2), (0, 5))] == ["14 %", "0.3 %", "150 %", "0.0 %"]
