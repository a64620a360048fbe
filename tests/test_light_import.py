import subprocess
import sys

HEAVY = ("torch", "accelerate", "peft", "transformers", "optuna", "pyarrow", "matplotlib", "tyro")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, trichord; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
