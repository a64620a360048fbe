"""Every command and every snippet that the documentation shows is run, in the order shown.

The slow suite runs them exactly as shown, each in a process of its own. The default suite runs the same ones with fewer
epochs, one after another in one process; what needs several processes gets them there too.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README, JAPANESE = ROOT / "README.md", ROOT / "README.ja.md"
PAGES = sorted([README, JAPANESE, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")
# What shortens a command that is shown, without taking a word of it away.
SHORTER = {
    "trichord study orders": "--workers 1 --no-refit --no-baseline --set.stages.0.epochs 2 --set.stages.1.epochs 2",
    "trichord train --data clips --order VT_A --out runs/vt_a": "--set.stages.0.epochs 2 --set.stages.1.epochs 2",
    "trichord train --data clips --order VT_A --out runs/longer": "--set.stages.1.epochs 2",
    "torchrun": "--set.stages.0.epochs 2",
    "trichord train --data clips --order AVT --out runs/joint": "--set.stages.0.epochs 2",
    "trichord adapt runs/joint --pair VT": "--epochs 2",
    "trichord adapt runs/joint --pair AT": "--epochs 2",
    "trichord study pairs": "--workers 1 --no-refit --no-specialists --epochs 2"
    " --set.stages.0.epochs 2 --set.stages.1.epochs 2",
    "trichord graph search": "--workers 1 --trials 2 --epochs 2 --best 1 --ranking-seeds 1 --seeds 1 --kinds T-A",
    "trichord graph train": "--epochs 2",
    "trichord study mmlora": "--workers 1 --epochs 2 --ranks 1 --no-controls",
    "trichord classify train": "--set.learning.epochs 2",
}
SHORTER_DIGITS = {
    "trichord graph train": "--epochs 2",
    "trichord graph search": "--workers 1 --trials 2 --epochs 2 --best 1 --ranking-seeds 1 --seeds 1",
}
IN_TURN = """
import gc, json, sys
import trichord.cli.study_orders
from trichord.cli.main import main
gc.freeze()
for kind, shown in json.load(sys.stdin):
    print(kind, shown)
    exec(compile(shown, "<shown>", "exec"), {}) if kind == "python" else main(shown)
"""
QUICK_DEMO = """
import trichord.cli.demo as demo
shorter = {"stages.0.epochs": 10, "stages.1.epochs": 10}
study = demo.OrdersStudy
demo.OrdersStudy = lambda **settings: study(**settings | {"changes": shorter, "refit": False, "baseline": None})
demo.run(["--out", "demo", "--seeds", "1", "--workers", "1", "--options.no-progress"])
"""
TARGETS = re.compile(r"`make ([a-z-]+)`|^make ([a-z-]+)", re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(block: str) -> list[str]:
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def what_make_runs(target: str) -> str:
    """Return the command behind a target, with the tools of this environment instead of those of .venv."""
    rule = (ROOT / "Makefile").read_text().split(f"\n{target}:")[1]
    return rule.splitlines()[1].strip().replace("$(BIN)/", "")


def run_in(folder: Path, words: list[str], typed: str = "") -> str:
    scripts = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "ACCELERATE_USE_CPU": "true",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(words, cwd=folder, env=environment, input=typed, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def is_about_published_files(block: str) -> bool:
    """Whether a block stands on its own: it makes the files that it reads."""
    return block.startswith("trichord generate --out")


def run_blocks(chosen: list[tuple[str, str]], folder: Path) -> None:
    for language, block in chosen:
        if language == "python":
            run_in(folder, [sys.executable, "-c", block])
            continue
        for command in commands(block):
            if command != "make demo":
                run_in(folder, shlex.split(command))


def shown_in_the_readme() -> list[tuple[str, str]]:
    shown = [(language, block) for language, block in blocks(README) if not is_about_published_files(block)]
    assert [language for language, _ in shown] == ["bash", "python", *["bash"] * 6, "python"]
    return shown


def run_in_turn(chosen: list[tuple[str, str]], folder: Path, shorter: dict[str, str]) -> list[str]:
    """Run blocks with what shortens them, as few processes as can be; return the beginnings that found a command."""
    waiting: list[tuple[str, str | list[str]]] = []
    found = []

    def catch_up() -> None:
        if waiting:
            run_in(folder, [sys.executable, "-c", IN_TURN], json.dumps(waiting))
            waiting.clear()

    for language, block in chosen:
        if language == "python":
            waiting.append(("python", block))
            continue
        for command in commands(block):
            words = shlex.split(command)
            for beginning, more in shorter.items():
                if " ".join(words).startswith(beginning):
                    words += more.split()
                    found.append(beginning)
            if words[0] == "trichord":
                waiting.append(("trichord", words[1:]))
            elif words != ["make", "demo"]:
                catch_up()
                run_in(folder, words)
    catch_up()
    return found


def check_what_the_readme_left(folder: Path) -> None:
    for name in ("study", "comparison", "routes", "pairs", "graphs", "mmlora"):
        assert (folder / name / "report.html").exists()
    assert (folder / "pairs" / "routes.json").exists()
    assert (folder / "graph.svg").exists()
    for name in ("vt_a", "longer", "two-processes"):
        assert (folder / "runs" / name / "model.safetensors").exists()


@pytest.mark.timeout(480)
def test_the_readme_from_top_to_bottom(tmp_path: Path) -> None:
    assert run_in_turn(shown_in_the_readme(), tmp_path, SHORTER) == list(SHORTER), (
        "every command to shorten is shown, once"
    )
    check_what_the_readme_left(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_the_readme_exactly_as_shown(tmp_path: Path) -> None:
    run_blocks(shown_in_the_readme(), tmp_path)
    check_what_the_readme_left(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_the_digits_of_the_page_on_graphs(tmp_path: Path) -> None:
    shown = blocks(ROOT / "docs" / "graphs.md")
    assert len(shown) == 1
    assert run_in_turn(shown, tmp_path, SHORTER_DIGITS) == list(SHORTER_DIGITS)
    assert (tmp_path / "digits-search" / "report.html").exists()


def test_the_command_is_installed(tmp_path: Path) -> None:
    assert run_in(tmp_path, ["trichord", "--version"]).count(".") == 2


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_the_published_files_of_the_readme(tmp_path: Path) -> None:
    shown = [(language, block) for language, block in blocks(README) if is_about_published_files(block)]
    assert len(shown) == 1
    run_blocks(shown, tmp_path)
    assert (tmp_path / "reproduction" / "report.html").exists()


def test_a_quick_demo_finds_the_planted_winners(tmp_path: Path) -> None:
    assert what_make_runs("demo") == "trichord demo --out demo", "what QUICK_DEMO shortens"
    assert "8 of 8 planted winners won" in run_in(tmp_path, [sys.executable, "-c", QUICK_DEMO])
    assert (tmp_path / "demo" / "study" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seeds", ["1", "3"])
def test_the_demo_finds_the_planted_winners(seeds: str, tmp_path: Path) -> None:
    out = run_in(tmp_path, [*shlex.split(what_make_runs("demo")), "--seeds", seeds])
    assert "8 of 8 planted winners won" in out
    assert (tmp_path / "demo" / "study" / "report.html").exists()


def test_the_japanese_readme_shows_the_same() -> None:
    assert blocks(JAPANESE) == blocks(README)
    english, japanese = (re.findall(r"\d+\.\d+", page.read_text(encoding="utf-8")) for page in (README, JAPANESE))
    assert sorted(english) == sorted(japanese), "a figure stands in one README and not in the other"
    for page in (README, JAPANESE):
        assert page.read_text(encoding="utf-8").count("\n## ") == 11


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_targets_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(text):
        assert (page.parent / link).exists(), link
    makefile = (ROOT / "Makefile").read_text()
    for found in TARGETS.findall(text):
        target = found[0] or found[1]
        assert f"\n{target}:" in makefile, f"make {target}"


def test_commands_outside_the_readme_exist() -> None:
    from trichord.cli.main import COMMANDS

    names = "|".join(sorted(COMMANDS, key=len, reverse=True))
    for page in PAGES:
        for command in re.findall(r"`trichord ([a-z]+(?: [a-z0-9][a-z0-9-]*)?)", page.read_text(encoding="utf-8")):
            assert re.match(names, command), f"{page.name}: trichord {command}"
