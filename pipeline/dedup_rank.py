"""Who stays, row by row: the recipe's order of preference as one comparable value."""

from __future__ import annotations

import json
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from catalogs.errors import UserError
from catalogs.sql import literal
from pipeline.dedup_config import DedupConfig

DIRECTIONS = {"ORDER_DEFAULT": "ASC", "ASCENDING": "ASC", "DESCENDING": "DESC"}


def check_keep(schema: pa.Schema, config: DedupConfig, file: str = "") -> list[str]:
    """Check that each expression of ``config.keep`` orders columns of this schema.

    Returns
    -------
    list of str
        The SQL type of each value that is ordered by.

    Raises
    ------
    UserError
        Naming the expression, and what DuckDB says is wrong with it.
    """
    types: list[str] = []
    with duckdb.connect() as connection:
        connection.register("no_documents", schema.empty_table())
        for number, expression in enumerate(config.keep):
            query = f"SELECT row_number() OVER (ORDER BY {expression}\n) FROM no_documents"
            try:
                connection.sql(query).fetchall()
                values = ", ".join(value for value, _ in _orders(connection, [expression]))
                described = connection.sql(f"DESCRIBE SELECT {values} FROM no_documents")
                types += [row[1] for row in described.fetchall()]
            except duckdb.Error as error:
                told = " ".join(str(error).split("\n\n")[0].split())
                where = f"{file}: " if file else ""
                raise UserError(
                    f"{where}field 'dedup.keep.{number}': {expression!r}: {told}"
                ) from None
    return types


def rank(connection: duckdb.DuckDBPyConnection, keep: Sequence[str]) -> str:
    """SQL expression whose values, compared as bytes, put rows in the order `keep`."""
    orders = _orders(connection, keep)
    if not orders:
        return "''::BLOB"
    arguments = ", ".join(f"{value}, {literal(how)}" for value, how in orders)
    return f"create_sort_key({arguments})"


def _orders(connection: duckdb.DuckDBPyConnection, keep: Sequence[str]) -> list[tuple[str, str]]:
    """Each value to order by, and its direction with the place of nulls (the end by default)."""
    orders = []
    for expression in keep:
        tree = _tree(connection, f"SELECT 1 ORDER BY {expression}\n")
        (node,) = (statement["node"] for statement in tree["statements"])
        for order in (o for modifier in node["modifiers"] for o in modifier.get("orders", ())):
            nulls = order["null_order"].replace("ORDER_DEFAULT", "NULLS LAST").replace("_", " ")
            value = _text(connection, order["expression"])
            orders.append((f"({value})", f"{DIRECTIONS[order['type']]} {nulls}"))
    return orders


def _tree(connection: duckdb.DuckDBPyConnection, query: str) -> dict:
    ((text,),) = connection.execute("SELECT json_serialize_sql($1)", [query]).fetchall()
    return json.loads(text)


def _text(connection: duckdb.DuckDBPyConnection, expression: dict) -> str:
    """The SQL of a parsed expression."""
    tree = _tree(connection, "SELECT 1")
    tree["statements"][0]["node"]["select_list"] = [expression]
    text = json.dumps(tree)
    ((query,),) = connection.execute("SELECT json_deserialize_sql($1::JSON)", [text]).fetchall()
    return query.strip().removeprefix("SELECT ").rstrip(";")
