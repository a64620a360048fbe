"""The orders that win on the two generated corpora, by the study of orders itself."""

from __future__ import annotations

import pytest

from trichord.data.generated import (
    MsrvttConfig,
    WordVectorsConfig,
    YouCook2Config,
    write_msrvtt,
    write_word_vectors,
    write_youcook2,
)
from trichord.data.importers.msrvtt import MsrvttImport, import_msrvtt
from trichord.data.importers.youcook2 import YouCook2Import, import_youcook2
from trichord.recipes import find_recipe
from trichord.runs import RunOptions
from trichord.studies import OrdersStudy, run_orders_study

FRAMES = (48, 80)
SHORT = {
    "epochs": 8,
    "batch_size": 64,
    # With few steps, clusters at full weight pull everything together before the pair has found what it shares.
    "objective.parts.cluster.weight": 0.1,
}


def youcook2(folder, words):
    write_youcook2(folder, YouCook2Config(num_clips={"train": 1150, "val": 300}, frames=FRAMES))
    return import_youcook2(
        YouCook2Import(features=folder, out=folder / "data", words=words, validation=0.13, progress=False)
    )


def msrvtt(folder, words):
    config = MsrvttConfig(num_train=1, num_train_1k_a=1150, num_test=300, num_captions=4, rows=(2, 4), frames=FRAMES)
    write_msrvtt(folder, config)
    return import_msrvtt(
        MsrvttImport(features=folder, out=folder / "data", words=words, validation=0.13, progress=False)
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("make", "winner"), [(youcook2, "AT_V"), (msrvtt, "VT_A")])
def test_the_winner_depends_on_the_corpus(tmp_path, make, winner):
    words = write_word_vectors(tmp_path / "words.bin", WordVectorsConfig()).file
    dataset = make(tmp_path / "files", words).dataset
    study = OrdersStudy(
        orders=("AV_T", "VT_A", "AT_V"),
        num_seeds=1,
        recipe=find_recipe("mcn_fixed_small"),
        changes={f"stages.{stage}.{path}": value for stage in (0, 1) for path, value in SHORT.items()},
        refit=False,
        baseline=None,
    )
    table = run_orders_study(study, dataset, tmp_path / "study", options=RunOptions(progress=False)).table
    for metric in ("R@1", "R@5", "R@10"):
        means = {row.label: row.mean for row in table.column("T>VA", metric)}
        assert max(means, key=lambda order: means[order]) == winner, (metric, means)
    won = [pair for pair in table.paired if (pair.task, pair.metric, pair.winner) == ("T>VA", "R@10", winner)]
    assert len(won) == 2, "the winner leads each of the others by a paired test, corrected for their number"
