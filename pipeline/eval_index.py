"""The evaluation sets of a recipe: indexed once into the run folder, mapped by every worker."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

import filters
from catalogs import storage
from pipeline.address import code_version, digest
from pipeline.contamination_config import EvalSet
from pipeline.evals import eval_files, read_evals

FOLDER = "evals"
CODE = (
    *("filters.contamination", "filters.contamination_index", "filters.contamination_kernels"),
    *("filters.contamination_places", "filters.contamination_words", "filters.eval_items"),
    *("filters.chars", "pipeline.evals"),
)


@dataclass(frozen=True)
class EvalIndex:
    """Evaluation sets; `digest` names their content and the code that indexes them."""

    sets: tuple[EvalSet, ...]
    base: str
    digest: str

    def path(self, root: str) -> str:
        """Where the index of the run folder `root` lies."""
        return storage.join(root, FOLDER, f"{self.digest}.arrow")

    def write(self, root: str) -> None:
        """Index the sets unless that is done, and drop the indexes of other sets.

        Raises
        ------
        UserError
            When a set cannot be read.
        """
        final = self.path(root)
        if self.sets and not storage.exists(final):
            with storage.scratch(root, "evals") as folder:
                temporary = storage.join(folder, "index.arrow")
                filters.Contamination.of(read_evals(self.sets, self.base)).save(temporary)
                storage.publish(temporary, final)
        for path in storage.listing(storage.join(root, FOLDER), ".arrow"):
            if not self.sets or posixpath.basename(path) != posixpath.basename(final):
                storage.delete(path)


def eval_index(sets: Iterable[EvalSet], base: str = "") -> EvalIndex:
    """The sets with their digest; files are read for their checksums, not kept.

    Raises
    ------
    UserError
        When a file or a benchmark is not there.
    """
    sets = tuple(sets)
    if not sets:
        return EvalIndex((), base, "")
    content = [storage.checksum(path) for path in eval_files(sets, base)]
    code = code_version(CODE, ("numpy",))
    return EvalIndex(sets, base, digest([code, [one.model_dump() for one in sets], content]))


@functools.lru_cache(maxsize=2)
def open_index(path: str, *rules: float) -> filters.Contamination:
    """The matcher over a file of `EvalIndex.write` with `contamination.Rules`, once a process."""
    from filters.contamination import Rules

    return filters.Contamination.open(path, Rules(*rules))
