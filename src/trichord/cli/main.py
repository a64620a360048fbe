"""Entry point: finds the command, runs it, and turns errors into one line each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import trichord
from trichord.errors import TrichordError, nearest

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "make a planted corpus, train every order, and check the winners"),
    "generate": ("generate", "write files in the published formats, with planted signal"),
    "generate planted": ("generate_planted", "write one of the planted corpora as a data set"),
    "import arrays": ("import_arrays", "make a data set from npz, npy and jsonl files"),
    "import howto100m": ("import_howto100m", "make a data set from features and captions of narrated video"),
    "import youcook2": ("import_youcook2", "make a data set from the published YouCook2 pickles"),
    "import msrvtt": ("import_msrvtt", "make a data set from the published MSR-VTT pickles and the list of its test"),
    "import lsmdc": ("import_lsmdc", "make a data set from the published LSMDC pickles"),
    "import crosstask": ("import_crosstask", "make a data set from CrossTask features, annotations and steps"),
    "import mining-youtube": ("import_mining_youtube", "make a data set from Mining YouTube, laid out as CrossTask"),
    "import actions": ("import_actions", "make a data set from the published UCF-101 or HMDB-51 pickles"),
    "import digits": ("import_digits", "make a data set of the handwritten digits that scikit-learn brings along"),
    "data check": ("data_check", "validate a data set and print what is in it"),
    "data leakage": ("data_leakage", "say whether videos that are learnt from are evaluated on"),
    "train": ("train", "train one order of one recipe"),
    "adapt": ("adapt", "learn an adapter of one pair of modalities over a finished run"),
    "finetune": ("fine_tune", "go on training a finished run on other data"),
    "evaluate": ("evaluate", "measure a finished run on a split, or under a named protocol"),
    "encode": ("encode", "store the vectors of one side of a task, stamped with what made them"),
    "search": ("search", "find the best stored vectors for stored queries"),
    "benchmarks": ("benchmarks", "list the named protocols and what each of them means"),
    "diagnose": ("diagnose", "say what to check first when a run scores badly"),
    "compare": ("compare", "print the table of several runs, with intervals and paired differences"),
    "report modalities": ("report_modalities", "say whether audio, or any further modality, helps on a task"),
    "study orders": ("study_orders", "train and compare several orders over several seeds"),
    "study pairs": (
        "study_pairs",
        "learn an adapter per pair, choose every task's route, and compare with specialists",
    ),
    "study mmlora": (
        "study_mmlora",
        "classify by matrices over frozen experts, and compare with their ensemble and joint learning",
    ),
    "classify train": ("classify_train", "train a classifier: an expert, joint, MMLoRA over experts, or with teachers"),
    "classify predict": ("classify_predict", "classify the items of a split, with probabilities"),
    "route": ("route", "choose the route of every task over a finished run and its adapters"),
    "graph show": ("graph_show", "say what a knowledge transfer graph is, and draw it"),
    "graph train": ("graph_train", "train the nodes of a knowledge transfer graph together"),
    "graph search": ("graph_search", "search the transfer graph of models that helps a target most"),
    "reproduce": ("reproduce", "fill the table of the lab from published files, beside all quoted rows"),
    "doctor": ("doctor", "print what is installed and whether it works"),
}


def usage() -> str:
    """Return the list of commands."""
    lines = [f"  {name:<21} {purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "usage: trichord COMMAND [options]; trichord COMMAND --help\n\n" + "\n".join(lines)


def find_command(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Split arguments into the command's name (one or two words) and its own arguments."""
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if name in COMMANDS:
            return name, list(arguments[words:])
    if arguments[0] in {name.split()[0] for name in COMMANDS}:
        options = [name for name in COMMANDS if name.startswith(arguments[0] + " ")]
        print(f"error: say which: {', '.join('trichord ' + option for option in options)}", file=sys.stderr)
        raise SystemExit(2)
    print(f"error: no command {arguments[0]!r}; {nearest(arguments[0], tuple(COMMANDS))}", file=sys.stderr)
    raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Exit status: 0 done, 1 an error that was explained, 2 wrong usage, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return
    if arguments[0] == "--version":
        print(trichord.__version__)
        return
    name, rest = find_command(arguments)
    # Set before torch is imported: its C++ warnings are about its own inner workings.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        run: Callable[[list[str]], None] = import_module(f"trichord.cli.{COMMANDS[name][0]}").run
        run(rest)
    except (TrichordError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt as error:
        print("\nstopped; what was done is kept, the same command goes on from there", file=sys.stderr)
        raise SystemExit(130) from error


if __name__ == "__main__":
    main()
