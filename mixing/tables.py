"""Swarms as two CSV tables, so that anybody's can be fitted: ratios and metrics, one row per run.

The first column is the run's index, each further one a domain (ratios) or a task (metrics).
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

import numpy as np

from catalogs import storage
from catalogs.errors import UserError, nearest

_LEFTOVERS = ("run", "name", "index")  # labels that Olmix writes beside the index


@dataclass(frozen=True)
class Table:
    """A CSV table of numbers.

    Attributes
    ----------
    path
        Where it was read from.
    label
        Name of the index column.
    index
        Of the rows, (rows,); as text, whole numbers without a decimal point.
    columns
        Names, (columns,).
    values
        (rows, columns).
    """

    path: str
    label: str
    index: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray

    def aligned(self, columns: tuple[str, ...]) -> np.ndarray:
        """The values with the columns in another table's order.

        Raises
        ------
        UserError
            When a column is missing or too many; the message names it.
        """
        for name in columns:
            if name not in self.columns:
                hint = nearest(name, self.columns)
                raise UserError(f"{self.path}: column '{name}' is missing{hint}")
        for name in self.columns:
            if name not in columns:
                hint = nearest(name, columns)
                raise UserError(f"{self.path}: column '{name}' is not among the ratios{hint}")
        return self.values[:, [self.columns.index(name) for name in columns]]


@dataclass(frozen=True)
class Joined:
    """A swarm read from two tables.

    Attributes
    ----------
    domains, tasks
        Names, (m,) and (tasks,).
    index
        Of the runs, (runs,).
    shares
        Rows sum to 1, (runs, m).
    losses
        (runs, tasks).
    left_out
        What the tables do not have in common, in a sentence; empty when they match.
    """

    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    index: tuple[str, ...]
    shares: np.ndarray
    losses: np.ndarray
    left_out: str


def read_table(path: str) -> Table:
    """Read a table.

    Raises
    ------
    UserError
        One line with the file, the line and the column of the first cell that is no finite number,
        of a column or an index that occurs twice, or of a row of another length.
    """
    try:
        rows = list(csv.reader(io.StringIO(storage.read_text(path).lstrip("\ufeff"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV: {_first_line(error)}") from None
    rows = [(number, row) for number, row in enumerate(rows, 1) if any(c.strip() for c in row)]
    if len(rows) < 2:
        raise UserError(f"{path}: expected a line of names and at least one row")
    head = [cell.strip() for cell in rows[0][1]]
    keep = [i for i in range(1, len(head)) if head[i].lower() not in _LEFTOVERS or i > 3]
    if not keep:
        raise UserError(f"{path}: expected an index column and at least one column of numbers")
    names = [head[i] for i in keep]
    for name in names:
        if not name:
            raise UserError(f"{path}: a column has no name")
        if names.count(name) > 1:
            raise UserError(f"{path}: column '{name}' occurs twice")
    index, values, seen = [], [], {}
    for number, row in rows[1:]:
        if len(row) != len(head):
            raise UserError(f"{path}: line {number}: {len(row)} cells, expected {len(head)}")
        key = _key(row[0])
        if not key:
            raise UserError(f"{path}: line {number}: the index in column '{head[0]}' is empty")
        if key in seen:
            raise UserError(
                f"{path}: line {number}: index '{key}' occurs twice, first on line {seen[key]}"
            )
        seen[key] = number
        index.append(key)
        values.append([_number(path, number, head[i], row[i]) for i in keep])
    return Table(path, head[0], tuple(index), tuple(names), np.array(values))


def read_ratios(path: str) -> Table:
    """Read a table of ratios and make every row sum to 1.

    Raises
    ------
    UserError
        As `read_table`, and for a negative ratio or a row without any.
    """
    table = read_table(path)
    for key, row in zip(table.index, table.values, strict=True):
        for name, value in zip(table.columns, row, strict=True):
            if value < 0:
                raise UserError(
                    f"{path}: index '{key}', column '{name}': a ratio is at least 0, got {value:g}"
                )
        if not row.sum() > 0:
            raise UserError(f"{path}: index '{key}': all ratios are 0")
    if len(table.columns) < 2:
        raise UserError(f"{path}: a mixture needs at least two domains")
    shares = table.values / table.values.sum(1, keepdims=True)
    return Table(path, table.label, table.index, table.columns, shares)


def join_tables(ratios: Table, metrics: Table) -> Joined:
    """Put ratios and metrics together by their index, in the order of the ratios.

    Rows that one table has more than the other are left out and told; rows on both sides without
    a partner are a mistake.

    Raises
    ------
    UserError
        When the indices do not match.
    """
    place = {key: i for i, key in enumerate(metrics.index)}
    known = set(ratios.index)
    lone_ratios = [key for key in ratios.index if key not in place]
    lone_metrics = [key for key in metrics.index if key not in known]
    if lone_ratios and lone_metrics:
        raise UserError(
            f"{metrics.path}: no metrics for index {_some(lone_ratios)} of {ratios.path}, and no "
            f"ratios for index {_some(lone_metrics)}; give both tables the same index"
        )
    both = [i for i, key in enumerate(ratios.index) if key in place]
    if len(both) < 3:
        raise UserError(
            f"{metrics.path}: {len(both)} runs have both ratios and metrics; a fit needs more"
        )
    order = [place[ratios.index[i]] for i in both]
    told = ""
    if lone_ratios or lone_metrics:
        path, lone = (ratios.path, lone_ratios) if lone_ratios else (metrics.path, lone_metrics)
        told = f"{path}: {len(lone)} rows have no partner and are left out: index {_some(lone)}"
    return Joined(
        ratios.columns,
        metrics.columns,
        tuple(ratios.index[i] for i in both),
        ratios.values[both],
        metrics.values[order],
        told,
    )


def write_table(
    path: str, label: str, index: tuple[str, ...], columns: tuple[str, ...], values: np.ndarray
) -> None:
    """Write a table that `read_table` reads back exactly."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([label, *columns])
    for key, row in zip(index, values, strict=True):
        writer.writerow([key, *(repr(float(value)) for value in row)])
    storage.write_text(path, buffer.getvalue())


def _key(cell: str) -> str:
    text = cell.strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if math.isfinite(number) and number == int(number) else text


def _number(path: str, line: int, name: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        told = f"'{cell.strip()}'" if cell.strip() else "nothing"
        raise UserError(
            f"{path}: line {line}, column '{name}': expected a finite number, got {told}"
        )
    return value


def _some(keys: list[str]) -> str:
    rest = len(keys) - 3
    return ", ".join(f"'{key}'" for key in keys[:3]) + (f" and {rest} more" if rest > 0 else "")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
