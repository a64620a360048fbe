"""The search as an Optuna study; the only file that imports Optuna.

Optuna keeps the trials, prunes, models the space (TPE) and tells importance. What it does not know is ours: which graph
of the search a trial is (its place, so that the graphs are the same however many workers there are and whatever is
killed), drawing only graphs whose target learns, and taking up trials whose worker died.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trichord.errors import ConfigError
from trichord.optional import require
from trichord.randomness import derive_seed
from trichord.studies.graphs.journal import KernelLock, mend
from trichord.studies.graphs.space import SearchSpace, draw
from trichord.studies.graphs.storage import KNOWN, answering
from trichord.studies.graphs.study import Pruner, Sampler
from trichord.studies.graphs.trial import LostTrialError, State, TrialRecord

if TYPE_CHECKING:
    import optuna
    import optuna.storages.journal
else:
    optuna = require("optuna", "search", "searching graphs")

STARTUP = 10
"""Trials drawn at random before TPE begins to model."""
TRIES = 20
RUNG = "completed_rung_"
DATABASES = ("sqlite", "postgresql", "mysql", "mariadb")
SECONDS_TO_CONNECT = 10

_STATES: dict[str, State] = {
    "WAITING": "waiting",
    "RUNNING": "running",
    "COMPLETE": "finished",
    "PRUNED": "pruned",
    "FAIL": "failed",
}


class OptunaSearch:
    """A search in a storage; see `SharedSearch`.

    Args:
        storage: URL of the storage, or the path of a journal file.
        name: of the study in the storage.
        space: the graphs.
        seed: of all draws.
        sampler: "random", or "tpe": multivariate TPE after ten random trials.
        pruner: "halving": asynchronous successive halving, as published; "none".
        home: which folder this process works in.

    Raises:
        ConfigError: the URL is none that Optuna knows.
        StorageError: the storage does not answer, now or in any method.
        LostTrialError: of a method that stores something about a trial: another worker ended the trial.
    """

    def __init__(
        self, storage: str | Path, name: str, space: SearchSpace, seed: int, sampler: Sampler, pruner: Pruner, home: str
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._home, self._storage = space, home, storage
        self._parameters: dict[str, optuna.distributions.BaseDistribution] = {
            parameter: optuna.distributions.CategoricalDistribution(choices)
            for parameter, choices in space.parameters().items()
        }
        with _quiet(), _reached(storage):
            self._study = optuna.create_study(
                storage=_open(storage),
                study_name=name,
                direction="maximize",
                load_if_exists=True,
                sampler=_GraphSampler(space, self._parameters, seed, sampler),
                pruner=_pruner(pruner),
            )

    @property
    def name(self) -> str:
        """Its name in the storage."""
        return self._study.study_name

    def attributes(self) -> dict[str, Any]:
        """Read what is stored about the study itself."""
        with _reached(self._storage):
            return dict(self._study.user_attrs)

    def note(self, name: str, value: Any) -> None:
        """Store something about the study itself: plain data."""
        with _reached(self._storage):
            self._study.set_user_attr(name, value)

    def records(self) -> list[TrialRecord]:
        """Read all trials, by number."""
        with _reached(self._storage):
            return [_record(trial) for trial in self._study.get_trials(deepcopy=False)]

    def begin(self, place: int, retried: TrialRecord | None = None) -> OptunaTrial | None:
        """Begin a trial: of the graph of a place, or once more that of a trial whose worker died.

        None where a worker on another machine took it out of the queue; there is another one to begin then.

        A retry has the same parameters, and stands where its predecessor stood with the pruner: the validations that
        are replayed to it decide nothing anew.
        """
        attributes: dict[str, Any] = {"place": place, "home": self._home, "beat": time.time()}
        ours: dict[str, Any] = {"fixed_params": {}}
        if retried is not None:
            attributes["retry_of"] = retried.number if retried.retry_of is None else retried.retry_of
            with _reached(self._storage):
                before = self._study.get_trials(deepcopy=False)[retried.number].system_attrs
            whole = set(retried.drawn) == set(self._parameters)  # its worker may have died while it drew
            ours = {
                "fixed_params": dict(retried.drawn) if whole else {},
                **{key: value for key, value in before.items() if key.startswith(RUNG)},
            }
        waiting = optuna.trial.create_trial(
            state=optuna.trial.TrialState.WAITING, user_attrs=attributes, system_attrs=ours
        )
        with _quiet(), _reached(self._storage):
            self._study.add_trial(waiting)
        return self.begin_waiting()

    def begin_waiting(self) -> OptunaTrial | None:
        """Begin a trial that waits in the queue: a worker died, or is, between putting it there and beginning it."""
        with _quiet(), _reached(self._storage):
            trial = OptunaTrial(self._study.ask(self._parameters), self._storage)
        if trial.place < 0:
            trial.withdraw()
            return None
        trial.note("home", self._home)
        return trial

    def give_up(self, number: int, message: str = "") -> None:
        """Mark a trial as failed whose worker died; with a message its graph is not tried again."""
        with suppress(LostTrialError), _quiet(), _reached(self._storage):  # another worker may have been faster
            if message:
                self._study._storage.set_trial_user_attr(self._id(number), "message", message)
            self._study.tell(number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)

    def beat(self, number: int) -> None:
        """Store that the worker of a trial lives, by the clock of its machine."""
        with _reached(self._storage):
            self._study._storage.set_trial_user_attr(self._id(number), "beat", time.time())

    def importance(self) -> dict[str, float]:
        """Return parameter -> its importance in [0, 1]; nothing where there are too few finished trials.

        By fANOVA (Hutter et al. 2014) with a fixed seed; by PED-ANOVA (Watanabe et al. 2023) without scikit-learn.
        """
        finished = [trial for trial in self.records() if trial.state == "finished"]
        if len(finished) < STARTUP or len({trial.value for trial in finished}) < 2:
            return {}
        with _quiet(), _reached(self._storage):
            try:
                evaluator: optuna.importance.BaseImportanceEvaluator = optuna.importance.FanovaImportanceEvaluator(
                    seed=0
                )
            except ImportError:
                evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {name: float(value) for name, value in found.items()}

    def _id(self, number: int) -> int:
        return self._study._storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number)


class OptunaTrial:
    """A trial in the hands of its worker; see `RunningTrial`.

    Args:
        trial: the trial.
        storage: where it is stored, see `OptunaSearch`.
    """

    def __init__(self, trial: optuna.Trial, storage: str | Path) -> None:
        self._trial, self._storage = trial, storage
        self._place = int(trial.user_attrs.get("place", -1))
        self._drawn = dict(trial.params)
        self._epochs: list[int] = []

    @property
    def number(self) -> int:
        """Its number in the storage."""
        return self._trial.number

    @property
    def place(self) -> int:
        """Which graph of the search it is."""
        return self._place

    @property
    def drawn(self) -> dict[str, Any]:
        """Parameter -> value."""
        return dict(self._drawn)

    def note(self, name: str, value: Any) -> None:
        """Store an attribute: plain data."""
        with _reached(self._storage):
            self._trial.set_user_attr(name, value)

    def report(self, epoch: int, value: float) -> bool:
        """Store the value of the next validation; return whether training shall go on.

        The resource of the pruner is the number of validations, not of epochs: where one validation comes every five
        epochs, the first would otherwise have to pass the rungs of one, two and four epochs at once, and seven of
        eight graphs would be stopped there.
        """
        self._epochs.append(epoch)
        with _reached(self._storage):
            self._trial.report(value, len(self._epochs))
            return not self._trial.should_prune()

    def finish(self, value: float) -> None:
        """Store that it was trained to its end."""
        self._tell(value, optuna.trial.TrialState.COMPLETE)

    def prune(self) -> None:
        """Store that it was stopped because it was behind."""
        self._tell(None, optuna.trial.TrialState.PRUNED)

    def fail(self, message: str) -> None:
        """Store that it broke off."""
        self.note("message", message)
        self._tell(None, optuna.trial.TrialState.FAIL)

    def withdraw(self) -> None:
        """Give it back: another worker had begun the same graph."""
        self.note("withdrawn", True)
        self._tell(None, optuna.trial.TrialState.FAIL)

    def _tell(self, value: float | None, state: optuna.trial.TrialState) -> None:
        self.note("epochs", self._epochs)
        with _quiet(), _reached(self._storage):
            self._trial.study.tell(self._trial.number, value, state=state, skip_if_finished=True)


class _GraphSampler(optuna.samplers.BaseSampler):
    """Draws all parameters of a graph at once, and again until its target learns."""

    def __init__(
        self,
        space: SearchSpace,
        parameters: Mapping[str, optuna.distributions.BaseDistribution],
        seed: int,
        kind: Sampler,
    ) -> None:
        self._space, self._parameters, self._seed, self._kind = space, dict(parameters), seed, kind

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, optuna.distributions.BaseDistribution]:
        fixed = trial.system_attrs.get("fixed_params", {})
        return {} if set(fixed) >= set(self._parameters) else self._parameters

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, optuna.distributions.BaseDistribution],
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        place = trial.user_attrs.get("place", 0)
        modelled = self._modelled(study, trial, search_space, place) if self._kind == "tpe" else None
        return draw(self._space, self._seed, place) if modelled is None else modelled

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: optuna.distributions.BaseDistribution,
    ) -> Any:
        return draw(self._space, self._seed, trial.user_attrs.get("place", 0))[param_name]

    def _modelled(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, optuna.distributions.BaseDistribution],
        place: int,
    ) -> dict[str, Any] | None:
        """Return what TPE draws; None while there are too few trials, or where it draws no graph that learns."""
        states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
        if len(study.get_trials(deepcopy=False, states=states)) < STARTUP:
            return None
        for again in range(TRIES):
            tpe = optuna.samplers.TPESampler(
                multivariate=True, n_startup_trials=0, seed=derive_seed(self._seed, "TPE", place, again) % 2**32
            )
            drawn = tpe.sample_relative(study, trial, search_space)
            if drawn and self._space.learns(drawn):
                return drawn
        return None


def _pruner(pruner: Pruner) -> optuna.pruners.BasePruner:
    if pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2, min_early_stopping_rate=0)
    return optuna.pruners.NopPruner()


def _record(trial: optuna.trial.FrozenTrial) -> TrialRecord:
    attributes = trial.user_attrs
    values = [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
    return TrialRecord(
        number=trial.number,
        place=int(attributes.get("place", -1)),
        state=_STATES[trial.state.name],
        drawn=dict(trial.params),
        value=trial.value if trial.state.name == "COMPLETE" else None,
        curve=tuple(zip(attributes.get("epochs", ()), values, strict=False)),
        retry_of=attributes.get("retry_of"),
        seconds=0.0 if trial.duration is None else trial.duration.total_seconds(),
        message=attributes.get("message", ""),
        home=attributes.get("home", ""),
        beat=attributes.get("beat", 0.0),
        graph=attributes.get("graph", {}),
        withdrawn=attributes.get("withdrawn", False),
    )


def _open(storage: str | Path) -> optuna.storages.BaseStorage:
    if isinstance(storage, Path):
        storage.parent.mkdir(parents=True, exist_ok=True)
        mend(storage)
        backend = optuna.storages.journal.JournalFileBackend(str(storage), lock_obj=cast(Any, KernelLock(storage)))
        return optuna.storages.journal.JournalStorage(backend)
    scheme = storage.partition("://")[0].partition("+")[0]
    if scheme == "redis":
        return optuna.storages.journal.JournalStorage(optuna.storages.journal.JournalRedisBackend(storage))
    if scheme not in DATABASES or "://" not in storage:
        raise ConfigError(f"the storage {storage!r} is of no kind that a study can be kept in; give {KNOWN}")
    timeout = "timeout" if scheme == "sqlite" else "connect_timeout"
    return optuna.storages.RDBStorage(storage, engine_kwargs={"connect_args": {timeout: SECONDS_TO_CONNECT}})


@contextmanager
def _reached(storage: str | Path) -> Iterator[None]:
    """Say of whatever goes wrong inside the block what it means: the storage is gone, or another worker was there."""
    with answering(storage):
        try:
            yield
        except optuna.exceptions.UpdateFinishedTrialError as error:
            raise LostTrialError("another worker ended this trial") from error


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
