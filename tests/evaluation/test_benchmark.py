"""Named protocols: what is counted, what is a miss, what deviates, and that no two numbers of unlike meaning mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_maker import Projections
from step_maker import MadeVideo, MeanModel, heard_seconds, write_steps

from trichord.data import Dataset, ModalityArrays, write_dataset
from trichord.errors import ConfigError, DataError, ProtocolError
from trichord.evaluation import EvaluationConfig, evaluate
from trichord.evaluation.benchmark import (
    BENCHMARKS,
    MSRVTT,
    MSRVTT_879,
    MSRVTT_884,
    MSRVTT_FULL,
    REGIMES,
    YOUCOOK2,
    YOUCOOK2_3339,
    Benchmark,
    benchmark_items,
    evaluate_benchmark,
)
from trichord.evaluation.crosstask import StepEvaluationConfig, evaluate_steps
from trichord.evaluation.named_protocols import PROTOCOLS, find_protocol
from trichord.evaluation.protocol import require_same
from trichord.evaluation.step_benchmark import CROSSTASK_STEPS, evaluate_step_benchmark
from trichord.evaluation.whole_video_benchmark import (
    YOUCOOK2_WHOLE_VIDEO,
    evaluate_whole_video_benchmark,
    whole_video_items,
)
from trichord.metrics.whole_video import WAYS, ClipScores, score_videos
from trichord.modality import parse_task

DIM = 24
FAST = EvaluationConfig(num_resamples=20)
MODEL = Projections({name: np.eye(DIM) for name in ("video", "audio", "text")})


def write_clips(
    folder: Path,
    name: str,
    num_items: int,
    *,
    silent: Sequence[int] = (),
    labels: Mapping[str, Sequence[int]] | None = None,
    num_videos: int | None = None,
    captions: int = 1,
) -> Dataset:
    """Write clips whose captions point exactly at their video; `silent` ones lack video and audio, as in MSR-VTT."""
    vectors = np.random.default_rng(0).normal(size=(num_items, DIM)).astype(np.float32)
    held = np.setdiff1d(np.arange(num_items), np.array(silent, dtype=np.int64))
    items: dict[str, object] = {
        "id": [f"clip {i}" for i in range(num_items)],
        "split": ["test"] * num_items,
        **(labels or {}),
    }
    if num_videos is not None:
        items["source"] = [f"film {i * num_videos // num_items}" for i in range(num_items)]
    modalities = {
        "video": ModalityArrays(vectors[held], held),
        "audio": ModalityArrays(vectors[held], held),
        "text": ModalityArrays(np.repeat(vectors, captions, axis=0), np.repeat(np.arange(num_items), captions)),
    }
    return write_dataset(folder, name=name, items=items, modalities=modalities)


def recall(result, k: int = 1) -> float:
    return result.metrics[f"R@{k}"].value


# ---- what is counted, and what is a miss


def test_clips_without_sound_are_misses_and_the_denominator_stays(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "msrvtt", 1000, silent=range(0, 960, 30))
    found = benchmark_items(dataset, MSRVTT)
    assert (len(found.evaluated.items), found.deviations, found.evaluated.benchmark) == (1000, (), MSRVTT.name)
    results = evaluate_benchmark(MODEL, dataset, MSRVTT, FAST)
    assert list(results) == ["T>V", "T>A", "T>VA"]
    for result in results.values():
        assert (result.num_queries, result.num_missing) == (1000, 32)
        assert recall(result) == pytest.approx(96.8), "968 of 1,000, not of 968"
        assert result.scores.rank[0] == 1000, "a miss has the last rank"
        assert result.protocol.benchmark == "msrvtt-1k-jsfusion"


def test_clips_outside_a_subset_stay_as_misses(tmp_path: Path) -> None:
    label = [0 if i % 300 == 7 and i > 7 else 1 for i in range(3350)]
    dataset = write_clips(tmp_path / "d", "youcook2", 3350, labels={"full_resolution": label})
    found = benchmark_items(dataset, YOUCOOK2_3339)
    assert (len(found.evaluated.items), len(found.masked), found.deviations) == (3350, 11, ())
    [result] = evaluate_benchmark(MODEL, dataset, YOUCOOK2_3339, FAST, tasks=("T>V",)).values()
    assert (result.num_queries, result.num_missing) == (3350, 11)
    assert recall(result) == pytest.approx(100 * 3339 / 3350)
    assert recall(evaluate(MODEL, dataset, "test", [parse_task("T>V", dataset.modalities)], FAST)["T>V"]) == 100


@pytest.mark.parametrize("benchmark", [MSRVTT_884, MSRVTT_879], ids=lambda b: b.name)
def test_clips_outside_other_subsets_are_left_out_altogether(benchmark: Benchmark, tmp_path: Path) -> None:
    size = benchmark.num_items
    assert benchmark.subset is not None
    label = {benchmark.subset: [0] * (1000 - size) + [1] * size}
    dataset = write_clips(tmp_path / "d", "msrvtt", 1000, silent=range(30), labels=label)
    found = benchmark_items(dataset, benchmark)
    assert (len(found.evaluated.items), len(found.masked), found.deviations) == (size, 0, ())
    assert found.evaluated.items.tolist() == list(range(1000 - size, 1000))
    [result] = evaluate_benchmark(MODEL, dataset, benchmark, FAST, tasks=("T>V",)).values()
    assert (result.num_queries, result.num_missing, recall(result)) == (size, 0, 100)
    assert result.chance["R@1"] == pytest.approx(100 / size), "the gallery has as many clips"
    with pytest.raises(ProtocolError, match=f"needs the label '{benchmark.subset}'"):
        benchmark_items(write_clips(tmp_path / "without", "msrvtt", 5), benchmark)


def test_every_caption_asks_where_the_benchmark_says_so(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "msrvtt", 30, captions=4)
    one, each = (evaluate_benchmark(MODEL, dataset, b, FAST, tasks=("T>V",))["T>V"] for b in (MSRVTT, MSRVTT_FULL))
    assert (one.num_queries, each.num_queries) == (30, 120)
    asked = EvaluationConfig(num_resamples=20, captions="all")
    assert evaluate_benchmark(MODEL, dataset, MSRVTT, asked, tasks=("T>V",))["T>V"].num_queries == 30


def test_what_deviates_stands_in_the_name_that_a_number_bears(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "msrvtt", 1000, silent=range(33))
    found = benchmark_items(dataset, MSRVTT)
    assert found.deviations == ("967 of them with video, where the benchmark has 968",)
    [result] = evaluate_benchmark(MODEL, dataset, MSRVTT, FAST, tasks=("T>V",)).values()
    assert result.protocol.benchmark == f"msrvtt-1k-jsfusion (deviating: {found.deviations[0]})"
    fewer = benchmark_items(write_clips(tmp_path / "e", "msrvtt", 31), MSRVTT).deviations
    assert fewer[0] == "31 items, where the benchmark has 1,000"
    assert len(fewer) == 2


def test_where_nothing_deviates_a_benchmark_is_the_split_measured_as_ever(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "youcook2", 60)
    noisy = Projections({name: np.random.default_rng(i).normal(size=(DIM, 6)) for i, name in enumerate(MODEL.weights)})
    small = replace(YOUCOOK2, num_items=60)
    named = evaluate_benchmark(noisy, dataset, small, FAST)
    plain = evaluate(noisy, dataset, "test", [parse_task(task, dataset.modalities) for task in small.tasks], FAST)
    for task, result in plain.items():
        assert named[task].metrics == result.metrics
        np.testing.assert_array_equal(named[task].scores.rank, result.scores.rank)
        assert named[task].protocol == replace(result.protocol, benchmark=small.name)


def test_results_of_unlike_benchmarks_refuse_comparison(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "msrvtt", 40)
    benchmarks = (MSRVTT, replace(MSRVTT, name="another"))
    one, other = (evaluate_benchmark(MODEL, dataset, b, FAST, tasks=("T>V",))["T>V"] for b in benchmarks)
    assert one.metrics == other.metrics
    require_same(one.protocol, one.protocol)
    with pytest.raises(ProtocolError, match=r"benchmark: 'msrvtt-1k-jsfusion .*' against 'another"):
        require_same(one.protocol, other.protocol)


# ---- fingerprints and names


def test_no_two_numbers_of_unlike_meaning_have_one_fingerprint() -> None:
    assert len({protocol.name for protocol in PROTOCOLS}) == len(PROTOCOLS) == len(BENCHMARKS) + 2
    assert len({protocol.fingerprint() for protocol in PROTOCOLS}) == len(PROTOCOLS)
    found = [p.identify(task, regime) for p in PROTOCOLS for task in p.tasks for regime in REGIMES]
    assert len(set(found)) == len(found) == sum(3 * len(p.tasks) for p in PROTOCOLS)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_the_description_decides_nothing_and_everything_else_does(protocol) -> None:
    assert replace(protocol, description="something else").fingerprint() == protocol.fingerprint()
    changes = {"name": "x", "dataset": "x", "training": "x", "tasks": ("T>V",)}
    kinds = {
        "num_items": 7,
        "num_videos": 7,
        "num_tasks": 7,
        "num_held": 7,
        "split": "val",
        "subset": "x",
        "outside": "miss" if getattr(protocol, "outside", "") == "left out" else "left out",
        "captions": "all" if getattr(protocol, "captions", "") == "first" else "first",
        "way": "caption",
        "decoder": "best second per step",
        "averaging": "pooled",
    }
    changes |= {name: value for name, value in kinds.items() if hasattr(protocol, name)}
    found = {replace(protocol, **{name: value}).fingerprint() for name, value in changes.items()}
    assert len(found | {protocol.fingerprint()}) == len(changes) + 1


def test_the_fingerprints_of_the_names_stay_what_they_are() -> None:
    """A change here gives the published numbers of users another identity: make it on purpose only."""
    assert find_protocol("youcook2-3350").fingerprint() == "a650dd07306cbed4"
    assert find_protocol("msrvtt-1k-jsfusion").fingerprint() == "844bdf626f22da5b"


def test_a_protocol_says_in_words_what_it_counts() -> None:
    for protocol in PROTOCOLS:
        found = protocol.to_dict()
        assert found["fingerprint"] == protocol.fingerprint()
        assert all(found[key] for key in ("name", "dataset", "counted", "misses", "training", "description"))
    assert "968" in MSRVTT.counted
    assert "'full_resolution'" in YOUCOOK2_3339.misses
    assert "left out" in MSRVTT_884.misses
    assert "436 videos" in YOUCOOK2_WHOLE_VIDEO.counted
    assert "18 tasks" in CROSSTASK_STEPS.counted


def test_unknown_names_tasks_and_choices_give_the_nearest() -> None:
    assert find_protocol("crosstask-steps") is CROSSTASK_STEPS
    with pytest.raises(ConfigError, match="no benchmark 'crosstask-step'; did you mean 'crosstask-steps'"):
        find_protocol("crosstask-step")
    with pytest.raises(ConfigError, match="no task 'T>VAT'; did you mean 'T>VA'"):
        CROSSTASK_STEPS.identify("T>VAT", "zero-shot")
    with pytest.raises(ConfigError, match="did you mean 'pooled'"):
        replace(CROSSTASK_STEPS, averaging="pool")
    with pytest.raises(ConfigError, match="did you mean 'caption average'"):
        replace(YOUCOOK2_WHOLE_VIDEO, way="average")
    with pytest.raises(ConfigError, match="none of them is made of A, V alone"):
        YOUCOOK2.tasks_of({"V", "A"})
    assert YOUCOOK2.tasks_of("TV") == ("T>V",)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_data_of_another_kind_are_refused_by_name(protocol, tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "cooking", 4)
    measure = {Benchmark: evaluate_benchmark, type(CROSSTASK_STEPS): evaluate_step_benchmark}
    with pytest.raises(ProtocolError, match=f"{protocol.name} is measured on '{protocol.dataset}', .* are 'cooking'"):
        measure.get(type(protocol), evaluate_whole_video_benchmark)(MODEL, dataset, protocol, FAST)


# ---- whole videos


def test_whole_videos_at_the_published_size(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "youcook2", 3350, num_videos=436)
    assert whole_video_items(dataset, YOUCOOK2_WHOLE_VIDEO).deviations == ()
    [result] = evaluate_whole_video_benchmark(MODEL, dataset, YOUCOOK2_WHOLE_VIDEO, FAST, tasks=("T>V",)).values()
    assert tuple(result.ways) == WAYS
    assert result.protocol.benchmark == "youcook2-whole-video"
    assert (result.protocol.num_videos, result.protocol.num_items) == (436, 3350)
    for way in result.ways.values():
        assert way.metrics["R@1"].value == 100
    assert [len(result.ways[way].query_videos) for way in WAYS] == [3350, 436, 436, 436]


def test_a_video_without_features_is_a_miss_among_the_videos(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "youcook2", 40, num_videos=10, silent=[0, 1, 2, 3, 4])
    results = evaluate_whole_video_benchmark(MODEL, dataset, YOUCOOK2_WHOLE_VIDEO, FAST)
    assert list(results) == ["T>V", "T>A", "T>VA"]
    average = results["T>VA"].ways[YOUCOOK2_WHOLE_VIDEO.way]
    assert (average.num_missing, len(average.query_videos)) == (1, 10)
    assert average.metrics["R@1"].value == pytest.approx(90)
    assert "10 videos, where the benchmark has 436; 40 clips" in results["T>V"].protocol.benchmark


def test_clips_without_a_source_are_refused(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "youcook2", 6)
    with pytest.raises(DataError, match="no column 'source'"):
        evaluate_whole_video_benchmark(MODEL, dataset, YOUCOOK2_WHOLE_VIDEO, FAST)


def test_the_ways_have_the_names_that_a_benchmark_may_mean() -> None:
    clips = ClipScores(np.eye(3), np.arange(3), np.arange(3), 3)
    assert tuple(score_videos(clips)) == WAYS


# ---- steps


def steps_of(num_tasks: int) -> tuple[dict[str, np.ndarray], list[MadeVideo]]:
    """Tasks of three steps whose texts point at their seconds; in each the first video hits all, the second none."""
    units = np.eye(4)
    steps = {f"task {place:02d}": units[:3] for place in range(num_tasks)}
    videos = []
    for task in steps:
        right, away = units[[0, 1, 2, 3, 3, 3]], units[[3, 3, 3, 0, 1, 2]]
        videos.append(MadeVideo(task, right, [1, 2, 3], [0, 1, 2], heard_seconds(right)))
        videos.append(MadeVideo(task, away, [1], [0], None))
    return steps, videos


def test_steps_of_eighteen_tasks_bear_the_name(tmp_path: Path) -> None:
    dataset = write_steps(tmp_path / "d", *steps_of(18))
    benchmark = replace(CROSSTASK_STEPS, dataset="made")
    result = evaluate_step_benchmark(MeanModel(), dataset, benchmark, FAST)
    assert list(result.galleries) == ["T>V", "T>A", "T>VA"]
    scores = result.galleries["T>V"]
    assert scores.protocol.benchmark == "crosstask-steps"
    meant = benchmark.number(scores)
    assert meant is scores.decoders["ordered"].mean_of_videos
    assert meant.value.value == pytest.approx(50), "one video of two"
    pooled = replace(benchmark, averaging="pooled")
    assert pooled.number(scores).value.value == pytest.approx(75), "three steps of four"
    assert result.galleries["T>A"].num_missing == 18, "the second video of each task has no sound"
    plain = evaluate_steps(MeanModel(), dataset, StepEvaluationConfig(galleries=("V", "A", "VA"), evaluation=FAST))
    assert plain.galleries["T>V"].protocol.benchmark == "none"
    for task, found in plain.galleries.items():
        named = result.galleries[task].to_dict()
        named["protocol"] = replace(result.galleries[task].protocol, benchmark="none").to_dict()
        assert found.to_dict() == named


def test_another_number_of_tasks_or_videos_shows_in_the_name(tmp_path: Path) -> None:
    steps, videos = steps_of(4)
    silent = MadeVideo("task 03", np.eye(4)[[0, 1, 2]], [], [])
    dataset = write_steps(tmp_path / "d", steps, [*videos[:6], silent])
    benchmark = replace(CROSSTASK_STEPS, dataset="made", num_videos=8)
    [scores] = evaluate_step_benchmark(MeanModel(), dataset, benchmark, FAST, tasks=("T>V",)).galleries.values()
    assert scores.protocol.benchmark == (
        "crosstask-steps (deviating: 3 tasks with steps, where the benchmark has 18; 6 videos with steps, where the "
        "benchmark has 8)"
    ), "a task of which no video shows a step is none"
    with pytest.raises(ConfigError, match="no task 'V>T'"):
        evaluate_step_benchmark(MeanModel(), dataset, benchmark, FAST, tasks=("V>T",))


def test_clips_without_video_and_captions_that_are_gone_are_deviations(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "youcook2", 60, silent=(3, 4))
    found = benchmark_items(dataset, replace(YOUCOOK2, num_items=60))
    assert found.deviations == ("2 of them without video, where the benchmark has it of all",)
    whole = replace(MSRVTT_FULL, num_items=30, captions_per_item=4)
    assert benchmark_items(write_clips(tmp_path / "e", "msrvtt", 30, captions=4), whole).deviations == ()
    fewer = benchmark_items(write_clips(tmp_path / "f", "msrvtt", 30, captions=3), whole)
    assert fewer.deviations == ("90 captions that ask, where the benchmark has 120",)


def test_a_task_the_benchmark_does_not_have_is_refused(tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "d", "youcook2", 20)
    with pytest.raises(ConfigError, match="has no task"):
        evaluate_benchmark(MODEL, dataset, YOUCOOK2, FAST, tasks=("V>A",))
