"""optuna: an experiment tracker's studies and trials in SQLAlchemy's storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna


def play(directory: Path, driver: str) -> Iterator[Any]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = f"{driver}:///{directory}/studies.db"
    study = optuna.create_study(study_name="first", storage=url, sampler=optuna.samplers.RandomSampler(seed=3))

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -10, 10)
        kind = trial.suggest_categorical("kind", ["a", "b"])
        trial.set_user_attr("sign", x > 0)
        trial.report(x, 0)
        if trial.number == 4:
            raise optuna.TrialPruned
        return (x - 2) ** 2 + (kind == "a")

    study.optimize(objective, n_trials=8)
    study.set_user_attr("owner", {"name": "Ann"})
    study.enqueue_trial({"x": 2.0, "kind": "b"})
    study.optimize(objective, n_trials=1)
    yield [study.best_value, study.best_params, study.best_trial.number]
    again = optuna.load_study(study_name="first", storage=url)
    yield [(t.number, t.state.name, t.value, t.params, t.user_attrs, t.intermediate_values) for t in again.trials]
    yield [again.user_attrs, [s.study_name for s in optuna.get_all_study_summaries(url)]]
    try:
        optuna.create_study(study_name="first", storage=url)
    except Exception as error:
        yield f"{type(error).__name__}: {error}"
    optuna.copy_study(from_study_name="first", from_storage=url, to_storage=url, to_study_name="second")
    optuna.delete_study(study_name="first", storage=url)
    yield [s.study_name for s in optuna.get_all_study_summaries(url)]
