"""How well the rules do: faults put into the recorded series at known places, and the series as they are.

It calls the functions that judge the market; docs/quality.md says where that is done otherwise. What is random has a
seed: the same series give the same figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from market.quality import RULES

from .batches import Batches, batch_trials
from .cells import cell_trials
from .offers import Untouched, document_trials, offer_trials
from .rows import row_trials
from .series import FILES, streams
from .trial import Trial

__all__ = ["FILES", "Batches", "Report", "Trial", "Untouched", "measure"]

SEED = 37
LEAST_RECALL, MOST_WRONG = 0.95, 0.005


@dataclass(frozen=True, slots=True)
class Report:
    """The trials in the order of RULES, and what is kept out of the series as they are."""

    trials: list[Trial]
    untouched: Untouched
    batches: Batches

    @property
    def clean_rows(self) -> int:
        return self.untouched.rows - self.untouched.known

    @property
    def clean_rows_held(self) -> int:
        """Clean rows that are kept out all the same: refused one by one, or in a batch that is held."""
        return self.untouched.refused_clean + self.batches.rows_of_clean

    @property
    def false_holds(self) -> float:
        """Their share, 0 to 1."""
        return self.clean_rows_held / self.clean_rows if self.clean_rows else 0.0

    @property
    def ok(self) -> bool:
        return self.false_holds < MOST_WRONG and all(trial.recall >= LEAST_RECALL for trial in self.trials)


def measure(folder: Path, *, seed: int = SEED) -> Report:
    """Every rule over the recorded series in `folder`.

    Raises: FileNotFoundError where one of FILES is absent.
    """
    random, series = Random(seed), streams(folder)  # noqa: S311 - it places faults
    documents = [document for found in series.values() for document in found]
    offers, untouched = offer_trials(documents, random)
    batches, account = batch_trials(series, random)
    trials = [
        *offers,
        *document_trials(documents, random),
        *batches,
        *cell_trials(documents, random),
        *row_trials(folder, series, random),
    ]
    order = list(RULES)
    return Report(sorted(trials, key=lambda trial: order.index(trial.rule)), untouched, account)
