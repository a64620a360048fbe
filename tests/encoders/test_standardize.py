from __future__ import annotations

import numpy as np
import pytest
import torch

from trichord.encoders import Standardize
from trichord.errors import ConfigError, DataError


def sample(num_rows: int = 101, seed: int = 0) -> torch.Tensor:
    """Correlated columns of very unlike scale and offset."""
    generator = np.random.default_rng(seed)
    mixed = generator.standard_normal((num_rows, 4)) @ generator.standard_normal((4, 4))
    return torch.from_numpy((mixed * [1, 2, 0.5, 3] + [0, -7, 1000, 0.1]).astype(np.float32))


def test_identity_until_fitted() -> None:
    values = sample()
    for whiten in (False, True):
        module = Standardize(4, whiten=whiten)
        assert torch.equal(module(values), values)
        assert not module.fitted


def test_statistics_are_those_of_numpy_however_the_rows_are_cut() -> None:
    values = sample()
    for sizes in ([101], [1, 0, 50, 50], [1] * 101):
        module = Standardize(4)
        module.fit(torch.split(values, sizes))
        exact = values.double().numpy()
        np.testing.assert_allclose(module.mean.numpy(), exact.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(module.scale.numpy(), exact.std(axis=0), rtol=1e-6)
        assert module.fitted


def test_output_has_mean_zero_and_deviation_one() -> None:
    values = sample()
    module = Standardize(4)
    module.fit([values])
    found = module(values).double()
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(4).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.std(dim=0, correction=0), torch.ones(4).double(), atol=1e-4, rtol=0)


def test_whitened_covariance_is_the_identity_up_to_the_ridge() -> None:
    values = sample(400)
    module = Standardize(4, whiten=True, ridge=1e-9)
    module.fit(torch.split(values, 37))
    found = module(values).double()
    torch.testing.assert_close(found.T @ found / len(found), torch.eye(4).double(), atol=2e-3, rtol=0)


def test_whitening_with_a_ridge_is_the_inverse_square_root() -> None:
    values = sample(400)
    module = Standardize(4, whiten=True, ridge=0.3)
    module.fit([values])
    assert module.whitening is not None
    correlation = torch.from_numpy(np.corrcoef(values.double().numpy(), rowvar=False))
    matrix = module.whitening.double()
    wanted = torch.linalg.inv(correlation + 0.3 * torch.eye(4))
    torch.testing.assert_close(matrix @ matrix, wanted, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(matrix, matrix.T, atol=1e-6, rtol=0)


def test_whitening_keeps_its_precision_under_autocast() -> None:
    values = sample(400)
    module = Standardize(4, whiten=True, ridge=1e-6)
    module.fit([values])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(values), Standardize.forward(module, values.float()))
        assert module(values).dtype == torch.float32


def test_constant_columns_neither_divide_by_zero_nor_blow_up() -> None:
    values = torch.cat([sample()[:, :2], torch.full((101, 1), 5.0)], dim=1)
    module = Standardize(3)
    module.fit([values])
    assert torch.equal(module(values)[:, 2], torch.zeros(101))
    assert float(module.scale[2]) == pytest.approx(1e-3 * (float(module.scale[:2].square().sum()) / 3) ** 0.5)
    all_constant = Standardize(2)
    all_constant.fit([torch.ones(3, 2)])
    assert all_constant.scale.tolist() == [1, 1]


def test_fitting_again_forgets_what_was_fitted() -> None:
    module, fresh = Standardize(4, whiten=True), Standardize(4, whiten=True)
    module.fit([sample(seed=1)])
    module.fit([sample(seed=2)])
    fresh.fit([sample(seed=2)])
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in module.state_dict().items())


def test_state_travels_with_the_state_dictionary() -> None:
    module, other = Standardize(4, whiten=True), Standardize(4, whiten=True)
    module.fit([sample()])
    other.load_state_dict(module.state_dict())
    assert torch.equal(module(sample()), other(sample()))
    assert other.fitted


def test_bad_values_are_refused_and_change_nothing() -> None:
    module = Standardize(4)
    spoiled = sample()
    spoiled[17, 2] = torch.nan
    with pytest.raises(DataError, match=r"row 17.*finite"):
        module.fit([spoiled])
    with pytest.raises(DataError, match=r"\(rows, 4\), got \(3, 5\)"):
        module.fit([torch.ones(3, 5)])
    with pytest.raises(DataError, match="two rows or more, got 1"):
        module.fit([torch.ones(1, 4)])
    assert not module.fitted
    assert torch.equal(module.mean, torch.zeros(4))


def test_a_ridge_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="above 0, got 0"):
        Standardize(4, whiten=True, ridge=0)
