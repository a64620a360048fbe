from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from dataset_maker import make
from hypothesis import given
from hypothesis import strategies as st

from trichord.data import Dataset, draw_instances, epoch_batches, shard


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return Dataset.open(make(tmp_path_factory.mktemp("sampling") / "set"))


@given(st.integers(0, 300), st.integers(1, 70), st.integers(0, 2**40), st.integers(0, 9))
def test_an_epoch_is_a_partition_into_even_batches(number, batch_size, seed, epoch):
    items = np.arange(number) * 3
    batches = epoch_batches(items, batch_size, seed, epoch)
    assert sorted(np.concatenate(batches).tolist() if batches else []) == items.tolist()
    sizes = [len(batch) for batch in batches]
    assert len(sizes) == -(-number // batch_size)
    assert not sizes or (max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1)


def test_the_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        return np.concatenate(epoch_batches(np.arange(100), 16, seed, epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


@given(st.integers(0, 100), st.integers(1, 9))
def test_shards_concatenate_to_the_batch(number, world):
    batch = np.random.default_rng(0).permutation(number)
    shards = [shard(batch, rank, world) for rank in range(world)]
    assert np.concatenate(shards).tolist() == batch.tolist()
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@given(st.permutations(range(5)), st.integers(0, 100), st.integers(0, 20))
def test_a_drawn_instance_does_not_depend_on_the_batch(dataset, items, seed, epoch):
    alone = {item: draw_instances(dataset, np.array([item]), "text", seed, epoch)[0] for item in items}
    together = draw_instances(dataset, np.array(items), "text", seed, epoch)
    assert together.tolist() == [alone[item] for item in items]
    index = dataset.instances("text")
    for item, instance in alone.items():
        if index.count[item]:
            assert index.first[item] <= instance < index.first[item] + index.count[item]
        else:
            assert instance == -1


def test_every_instance_is_drawn_about_as_often(dataset):
    drawn = Counter(int(draw_instances(dataset, np.array([3]), "text", 0, epoch)[0]) for epoch in range(900))
    assert set(drawn) == {3, 4, 5}
    assert min(drawn.values()) > 240
