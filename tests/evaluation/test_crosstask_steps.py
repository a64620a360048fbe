from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
import torch
from step_maker import RATE, MadeVideo, MeanModel, heard_seconds, write_steps

from trichord.encoders import AudioEncoderConfig, JointEncoderConfig, LinearHeadConfig
from trichord.errors import ConfigError, DataError, ProtocolError
from trichord.evaluation.crosstask import StepEvaluationConfig, evaluate_steps
from trichord.evaluation.second_vectors import AudioWindowConfig, audio_windows
from trichord.evaluation.settings import EvaluationConfig
from trichord.evaluation.step_result import StepResult

PLAIN = EvaluationConfig(num_resamples=100, similarity="dot product")
DECODERS = ("ordered", "best step per second", "best second per step")


def settings(*galleries: str, **changed: object) -> StepEvaluationConfig:
    return StepEvaluationConfig(galleries=galleries, **{"evaluation": PLAIN, **changed})  # type: ignore[arg-type]


def made_videos(seed: int, num_videos: int, tasks: dict[str, int], dim: int = 6) -> tuple[dict, list[MadeVideo]]:
    """Videos whose seconds carry the text of the step that happens there, and noise."""
    random = np.random.default_rng(seed)
    steps = {task: random.normal(size=(number, dim)) for task, number in tasks.items()}
    videos = []
    for i in range(num_videos):
        task = list(tasks)[i % len(tasks)]
        length = int(random.integers(tasks[task], tasks[task] + 12))
        seconds = 0.8 * random.normal(size=(length, dim))
        truth = random.random((length, tasks[task])) < 0.15
        at, numbers = np.nonzero(truth)
        seconds += truth @ steps[task]
        frames = heard_seconds(seconds + random.normal(size=seconds.shape)) if i % 5 else None
        videos.append(MadeVideo(task, seconds, (numbers + 1).tolist(), at.tolist(), frames))
    return steps, videos


def by_hand(steps: dict[str, np.ndarray], videos: list[MadeVideo], vectors: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Decoder -> (mean of videos, pooled) in percent, by trying every placement and looping over everything."""
    found: dict[str, np.ndarray] = {}
    for decoder in DECODERS:
        per_task: dict[str, list[tuple[int, int]]] = {}
        for video, seconds in zip(videos, vectors, strict=True):
            true = {(s, k - 1) for s, k in zip(video.at or [], video.numbers or [], strict=True)}
            if not true:
                continue
            scores = seconds @ steps[video.task].T
            num_seconds, num_steps = scores.shape
            if decoder == "ordered":
                chosen = max(
                    combinations(range(num_seconds), num_steps),
                    key=lambda places: sum(scores[s, k] for k, s in enumerate(places)),
                )
                taken = {(s, k) for k, s in enumerate(chosen)}
            elif decoder == "best step per second":
                taken = {(s, int(scores[s].argmax())) for s in range(num_seconds)}
            else:
                taken = {(int(scores[:, k].argmax()), k) for k in range(num_steps)}
            hit = {k for s, k in taken & true}
            per_task.setdefault(video.task, []).append((len(hit), len({k for _, k in true})))
        means = [np.mean([h / n for h, n in pairs]) for pairs in per_task.values()]
        ratios = [sum(h for h, _ in pairs) / sum(n for _, n in pairs) for pairs in per_task.values()]
        found[decoder] = 100 * np.array([np.mean(means), np.mean(ratios)])
    return found


def recalls(result: StepResult, gallery: str) -> dict[str, list[float]]:
    decoders = result.galleries[gallery].decoders
    return {name: [scores.mean_of_videos.value.value, scores.pooled.value.value] for name, scores in decoders.items()}


def test_video_gallery_equals_every_placement_tried(tmp_path) -> None:
    steps, videos = made_videos(0, 14, {"tea": 3, "eggs": 4, "bread": 1})
    result = evaluate_steps(MeanModel(), write_steps(tmp_path / "d", steps, videos), settings("V"))
    expected = by_hand(steps, videos, [video.seconds for video in videos])
    for name, values in recalls(result, "T>V").items():
        assert values == pytest.approx(expected[name].tolist()), name
        scores = result.galleries["T>V"].decoders[name]
        assert scores.mean_of_videos.value.value == pytest.approx(np.mean(list(scores.mean_of_videos.tasks.values())))
        assert scores.mean_of_videos.value.low <= scores.mean_of_videos.value.value <= scores.mean_of_videos.value.high
        assert len(scores.per_video) == len(result.video_items)
    assert recalls(result, "T>V")["ordered"][0] != recalls(result, "T>V")["ordered"][1]


def test_audio_and_joined_galleries_equal_windows_cut_by_hand(tmp_path) -> None:
    steps, videos = made_videos(1, 10, {"tea": 2, "eggs": 3})
    result = evaluate_steps(
        MeanModel(), write_steps(tmp_path / "d", steps, videos), settings("V", "A", "VA", seconds_at_once=3)
    )
    joined = []
    for video in videos:
        total = video.seconds.copy()
        if video.frames is not None:
            length = len(video.seconds)
            for i in range(length):
                begin = 0 if i < 4 else length - 8 if i > length - 4 else i - 4
                begin, end = max(0, begin), min(length, max(0, begin) + 8)
                total[i] += video.frames[begin * RATE : end * RATE].mean(axis=0)
        joined.append(total)
    expected = by_hand(steps, videos, joined)
    for name, values in recalls(result, "T>VA").items():
        assert values == pytest.approx(expected[name].tolist()), name
    counted = [i for i, video in enumerate(videos) if video.at]
    silent = [i for i in counted if videos[i].frames is None]
    assert result.galleries["T>A"].num_missing == len(silent) > 0
    assert result.galleries["T>VA"].num_missing == 0
    for scores in result.galleries["T>A"].decoders.values():
        assert not scores.per_video[[counted.index(i) for i in silent]].any()
        assert scores.mean_of_videos.chance < result.galleries["T>V"].decoders["ordered"].mean_of_videos.chance + 60


@pytest.mark.parametrize("num_seconds", [1, 3, 7, 8, 9, 30])
def test_windows_lie_around_their_second_and_inside_the_video(num_seconds: int) -> None:
    windows = audio_windows(num_seconds, num_seconds * RATE, AudioWindowConfig())
    for i in range(num_seconds):
        if num_seconds <= 8:
            expected = (0, num_seconds)
        else:
            expected = (0, 8) if i < 4 else (num_seconds - 8, num_seconds) if i > num_seconds - 4 else (i - 4, i + 4)
        assert (windows.start[i], windows.stop[i]) == (expected[0] * RATE, expected[1] * RATE)
    assert windows.num_late == 0


def test_windows_end_with_the_audio_and_late_seconds_are_counted() -> None:
    longer = audio_windows(20, 99999, AudioWindowConfig())
    assert longer.stop.tolist() == audio_windows(20, 2000, AudioWindowConfig()).stop.tolist()
    shorter = audio_windows(20, 1050, AudioWindowConfig())
    assert (shorter.start[-1], shorter.stop[-1]) == (250, 1050)
    assert (shorter.stop > shorter.start).all()
    assert shorter.num_late == 9
    one = audio_windows(5, 1, AudioWindowConfig())
    assert one.start.tolist() == [0] * 5
    assert one.stop.tolist() == [1] * 5
    cut = audio_windows(20, 2000, AudioWindowConfig(max_frames=300))
    assert (cut.stop - cut.start).max() == 300
    with pytest.raises(ConfigError, match="seconds is even"):
        AudioWindowConfig(seconds=7)


def test_chunks_are_plain_and_change_no_number(tmp_path) -> None:
    steps, videos = made_videos(2, 4, {"tea": 3})
    long = np.random.default_rng(0).normal(size=(47, 6))
    videos.append(MadeVideo("tea", long, [1, 2, 3], [3, 20, 40], heard_seconds(long)))
    dataset = write_steps(tmp_path / "d", steps, videos)
    model = MeanModel().train()
    results = {n: evaluate_steps(model, dataset, settings("VA", seconds_at_once=n)) for n in (10, 25, 1000)}
    assert recalls(results[10], "T>VA") == recalls(results[25], "T>VA") == recalls(results[1000], "T>VA")
    assert max(size for name, size in model.sizes if name == "audio") == 47
    model.sizes.clear()
    evaluate_steps(model, dataset, settings("VA", seconds_at_once=25))
    assert model.sizes[-2:] == [("audio", 25), ("audio", 22)]
    assert model.sizes[-4:-2] == [("video", 25), ("video", 22)]
    assert set(model.lengths) <= set(range(1, 801))
    assert model.training
    assert model.dropout.training


def test_joint_encoder_with_an_audio_trunk_does_not_depend_on_chunks(tmp_path) -> None:
    steps, videos = made_videos(4, 3, {"tea": 3})
    dataset = write_steps(tmp_path / "d", steps, videos)
    torch.manual_seed(0)
    pooled = LinearHeadConfig(input_dim=6, output_dim=8)
    audio = AudioEncoderConfig(input_dim=6, output_dim=8, widths=(4, 8))
    model = JointEncoderConfig(encoders={"video": pooled, "audio": audio, "text": pooled}).build()
    one, two = (evaluate_steps(model, dataset, settings("A", "VA", seconds_at_once=n)) for n in (2, 100))
    for gallery, scores in one.galleries.items():
        assert scores.mean_average_precision == pytest.approx(two.galleries[gallery].mean_average_precision, abs=1e-3)
    assert one.galleries["T>A"].num_missing == 1


def test_known_steps_are_found_and_order_of_videos_does_not_matter(tmp_path) -> None:
    eye = np.eye(5)
    seconds = np.concatenate([eye[[3]], eye[[0, 0]], eye[[3]], eye[[1]], eye[[3, 2]]])
    true = MadeVideo("tea", seconds, [1, 1, 2, 3], [1, 2, 4, 6])
    wrong = MadeVideo("tea", seconds, [1, 2], [0, 3])
    eggs = MadeVideo("eggs", eye[:3], [1, 2, 3], [0, 1, 2])
    steps = {"tea": eye[:3], "eggs": eye[:3]}
    result = evaluate_steps(MeanModel(), write_steps(tmp_path / "a", steps, [true, wrong, eggs]), settings("V"))
    found = result.galleries["T>V"].decoders["ordered"]
    assert found.mean_of_videos.tasks == {"eggs": 100.0, "tea": 50.0}
    assert found.pooled.tasks == {"eggs": 100.0, "tea": 60.0}
    assert (found.mean_of_videos.value.value, found.pooled.value.value) == (75.0, 80.0)
    assert result.galleries["T>V"].flags[-1] == "intervals are too narrow: one video is all there is of eggs"
    turned = evaluate_steps(
        MeanModel(), write_steps(tmp_path / "b", steps, [eggs, wrong, true]), settings("V")
    ).galleries["T>V"]
    assert turned.decoders["ordered"].mean_of_videos.tasks == found.mean_of_videos.tasks
    assert turned.mean_average_precision == pytest.approx(result.galleries["T>V"].mean_average_precision)
    assert result.galleries["T>V"].average_precision["eggs"] == 100.0


def test_as_many_seconds_as_steps_leave_the_ordered_decoder_no_choice(tmp_path) -> None:
    video = MadeVideo("tea", -np.eye(4)[:3], [1, 2, 3], [0, 1, 2])
    dataset = write_steps(tmp_path / "d", {"tea": np.eye(4)[:3]}, [video])
    scores = evaluate_steps(MeanModel(), dataset, settings("V")).galleries["T>V"]
    assert scores.decoders["ordered"].mean_of_videos.value.value == 100.0
    assert scores.decoders["ordered"].mean_of_videos.chance == pytest.approx(100.0)
    assert scores.decoders["best second per step"].mean_of_videos.value.value == 0.0
    assert any(flag.startswith("not above chance") for flag in scores.flags)


def test_videos_and_tasks_without_steps_are_left_out_and_counted(tmp_path) -> None:
    eye = np.eye(4)
    right = MadeVideo("tea", eye[:3], [1, 2], [0, 1])
    none = MadeVideo("tea", eye[:3], [], [])
    nothing = MadeVideo("eggs", eye[:3], [], [])
    steps = {"tea": eye[:2], "eggs": eye[:2], "bread": eye[:1]}
    result = evaluate_steps(MeanModel(), write_steps(tmp_path / "d", steps, [right, none, nothing]), settings("V"))
    assert recalls(result, "T>V")["ordered"] == [100.0, 100.0]
    assert result.video_items.tolist() == [5]
    assert result.num_without_steps == {"tea": 1, "eggs": 1}
    assert result.tasks_without_steps == ("eggs",)
    assert result.tasks_without_videos == ("bread",)
    empty = write_steps(tmp_path / "e", steps, [none, nothing])
    with pytest.raises(ProtocolError, match="no step occurs in any video"):
        evaluate_steps(MeanModel(), empty, settings("V"))


def test_equal_vectors_score_chance_where_ties_are_exact_and_are_flagged(tmp_path) -> None:
    videos = [MadeVideo("tea", np.ones((n, 3)), [1, 2, 2], [n - 1, 0, 1]) for n in (4, 6, 9)]
    dataset = write_steps(tmp_path / "d", {"tea": np.ones((3, 3))}, videos)
    result = evaluate_steps(MeanModel(), dataset, settings("V"))
    assert result.flags == ("collapsed: text of the steps: all embeddings are equal (mean cosine 1.0000)",)
    for name in DECODERS[1:]:
        found = result.galleries["T>V"].decoders[name]
        assert found.mean_of_videos.value.value == pytest.approx(found.mean_of_videos.chance)
        assert found.pooled.value.value == pytest.approx(found.pooled.chance)
    assert recalls(result, "T>V")["ordered"][0] == pytest.approx(50.0), "early seconds: step 2 is at second 1"


def test_similarity_and_fusion_are_those_of_the_configuration(tmp_path) -> None:
    seconds = np.array([[1.0, 0.0], [30.0, 40.0], [0.0, 1.0]])
    video = MadeVideo("tea", seconds, [1], [0], heard_seconds(np.tile([[0.0, 50.0]], (3, 1))))
    dataset = write_steps(tmp_path / "d", {"tea": np.array([[1.0, 0.0]])}, [video])

    def hit(**changed: str) -> dict[str, float]:
        config = settings("V", "VA", evaluation=EvaluationConfig(num_resamples=10, **changed))
        result = evaluate_steps(MeanModel(), dataset, config)
        return {name: recalls(result, name)["ordered"][0] for name in ("T>V", "T>VA")}

    assert hit() == {"T>V": 100.0, "T>VA": 0.0}
    assert hit(similarity="dot product") == {"T>V": 0.0, "T>VA": 0.0}
    assert hit(fusion="sum of unit vectors") == {"T>V": 100.0, "T>VA": 100.0}


def test_result_is_plain_data_and_carries_its_protocol(tmp_path) -> None:
    steps, videos = made_videos(3, 6, {"tea": 2, "eggs": 2})
    dataset = write_steps(tmp_path / "d", steps, videos)
    seen: list[tuple[int, int]] = []
    result = evaluate_steps(
        MeanModel(), dataset, settings("V", "VA"), progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(i, 6) for i in range(1, 7)]
    data = json.loads(json.dumps(result.to_dict()))
    protocols = [scores["protocol"] for scores in data["galleries"].values()]
    assert [protocol["task"] for protocol in protocols] == ["T>V", "T>VA"]
    assert [protocol["window_seconds"] for protocol in protocols] == [None, 8]
    assert protocols[0]["fingerprint"] != protocols[1]["fingerprint"]
    assert protocols[0]["dataset_fingerprint"] == dataset.fingerprint()
    assert set(data["galleries"]["T>V"]["decoders"]) == set(DECODERS)
    again = evaluate_steps(MeanModel(), dataset, settings("V"))
    assert again.galleries["T>V"].to_dict() == result.galleries["T>V"].to_dict()


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (MadeVideo("tea", np.eye(3), [1], [3]), "step 1 at second 3 lies outside the task's steps 1 to 2"),
        (MadeVideo("tea", np.eye(3), [3], [0]), "step 3 at second 0"),
        (MadeVideo("tea", np.eye(3), [0], [0]), "step 0 at second 0"),
        (MadeVideo("tea", np.eye(3), [1, 2], [0]), "found a list of 2 and a list of 1"),
        (MadeVideo("tea", np.eye(3), None, [0]), "found None and a list of 1"),
        (MadeVideo("tea", np.eye(3)[:1], [1], [0]), "found 1 seconds and 2 steps"),
        (MadeVideo("soup", np.eye(3), [1], [0]), "its task 'soup' has no step"),
    ],
)
def test_faults_of_a_video_are_named(tmp_path, video: MadeVideo, message: str) -> None:
    good = MadeVideo("tea", np.eye(3), [1, 2], [0, 1])
    dataset = write_steps(tmp_path / "d", {"tea": np.eye(3)[:2]}, [good, video])
    with pytest.raises(DataError, match=f"row 'video 1': .*{message}"):
        evaluate_steps(MeanModel(), dataset, settings("V"))


def test_faults_of_steps_audio_and_settings_are_named(tmp_path) -> None:
    video = MadeVideo("tea", np.eye(3), [1], [0], np.ones((300, 3)))
    steps = {"tea": np.eye(3)[:2]}
    gap = write_steps(tmp_path / "gap", steps, [video], numbers={"tea": [1, 3]})
    with pytest.raises(DataError, match=r"numbered 1, 2, ... without gaps, found \[1, 3\]"):
        evaluate_steps(MeanModel(), gap, settings("V"))
    twice = write_steps(tmp_path / "twice", steps, [video], numbers={"tea": [1, 1]})
    with pytest.raises(DataError, match="row 'step 1': step 1 of task 'tea' occurs twice"):
        evaluate_steps(MeanModel(), twice, settings("V"))
    wordless = write_steps(tmp_path / "wordless", steps, [video], without_text=1)
    with pytest.raises(DataError, match="step 2 of task 'tea' has no text"):
        evaluate_steps(MeanModel(), wordless, settings("V"))
    zero = write_steps(tmp_path / "zero", steps, [MadeVideo("tea", np.zeros((3, 3)), [1], [0])])
    for evaluation in (PLAIN, EvaluationConfig()):
        with pytest.raises(ProtocolError, match=r"video 'video 0', task T>V: .* is zero"):
            evaluate_steps(MeanModel(), zero, settings("V", evaluation=evaluation))
    with pytest.raises(ConfigError, match="names a modality that is not there"):
        evaluate_steps(MeanModel(), zero, settings("A"))
    with pytest.raises(ConfigError, match="must be filled and disjoint"):
        evaluate_steps(MeanModel(), zero, settings("T"))
    with pytest.raises(ConfigError, match="at least one gallery"):
        settings()
    with pytest.raises(ConfigError, match="got captions 'all'"):
        settings("V", evaluation=EvaluationConfig(captions="all"))
