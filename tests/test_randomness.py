import subprocess
import sys

from trichord.randomness import derive_seed, numpy_generator, torch_generator


def test_draws_are_a_function_of_seed_purpose_and_position() -> None:
    keys = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (0, "a", 0, 0), (0, "a", 1, 0), (0, "a", 0, 1)]
    assert len({derive_seed(*key) for key in keys}) == len(keys)
    assert numpy_generator(3, "x", 1).random() == numpy_generator(3, "x", 1).random()
    assert torch_generator(3, "x", 1).initial_seed() == derive_seed(3, "x", 1)


def test_the_same_in_another_process() -> None:
    code = "from trichord.randomness import derive_seed; print(derive_seed(7, 'order', 3))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) == derive_seed(7, "order", 3)
