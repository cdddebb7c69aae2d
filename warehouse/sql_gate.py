"""The gate for SQL: only a SELECT of listed functions on published tables goes through.

Input: a statement. Output: nothing, or an error that names what is not allowed and, where something is
spelled like it, what is. The parse tree of DuckDB itself is read, so that nothing can hide in a comment,
a spelling or a nesting; what `sql_allowed.toml` and the schema do not name is refused.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from warehouse.errors import ShieldError
from warehouse.schema import TABLES
from warehouse.table import quote_text

MAX_SQL_BYTES = 20_000
"""Longer statements are refused: their tree is some 100 times as large."""

TABLE_NAMES = frozenset(table.name for table in TABLES)

ALLOWED = tomllib.loads(Path(__file__).with_name("sql_allowed.toml").read_text())
EXPRESSIONS = frozenset(ALLOWED["expressions"].split())
NODES = frozenset(ALLOWED["nodes"].split())
TABLE_FUNCTIONS = frozenset(ALLOWED["table_functions"].split())
FUNCTIONS = frozenset(" ".join(ALLOWED["functions"].values()).split())

DUCKDB_SCHEMAS = {"", "main"}


class RefusedSqlError(ShieldError):
    """The gate does not let the statement through."""


def check_sql(connection: duckdb.DuckDBPyConnection, sql: str, free_pivot: bool = False) -> None:
    """Raise `RefusedSqlError` unless `sql` is one SELECT of what is listed here.

    DESCRIBE and SUMMARIZE of a SELECT or a table, SHOW TABLES, VALUES, UNPIVOT and a PIVOT whose values
    are listed are such SELECTs. For a PIVOT that looks for its values, DuckDB makes statements that have
    no tree: it passes unread where `free_pivot` says so, for people at their own machine.
    """
    check_text(sql)
    statements = split_statements(sql)
    if len(statements) != 1:
        raise RefusedSqlError(f"expected one SQL statement, found {len(statements)}")
    # A parameter instead of a literal would make DuckDB import pandas: a second and 50 MB.
    answer = connection.execute(f"SELECT json_serialize_sql({quote_text(sql)})").fetchone()
    try:
        tree = json.loads(answer[0]) if answer else {}
        if tree["error"]:
            refuse_kind(tree, statements[0], free_pivot)
        else:
            check_node(tree["statements"], frozenset())
    except RecursionError as error:
        raise RefusedSqlError("the statement is nested too deeply") from error


def check_text(sql: str) -> None:
    """Raise `RefusedSqlError` for a statement that is too long, or no text for DuckDB."""
    try:
        size = len(sql.encode())
    except UnicodeEncodeError as error:
        raise RefusedSqlError("the statement is not UTF-8") from error
    if size > MAX_SQL_BYTES:
        raise RefusedSqlError(f"expected at most {MAX_SQL_BYTES} bytes of SQL, found {size}")
    if "\0" in sql:  # DuckDB ends a text there
        raise RefusedSqlError("the statement holds a NUL character")


def split_statements(sql: str) -> list[str]:
    """Return the statements that semicolons divide; those in texts, names and comments do not.

    A text that does not end hides what follows it from DuckDB's tokenizer: it is part of its statement.
    """
    data = sql.encode()  # the tokenizer counts bytes
    cuts = (place for place, _ in duckdb.tokenize(sql) if data[place : place + 1] == b";")
    pieces = (data[start + 1 : end] for start, end in pairwise([-1, *cuts, len(data)]))
    texts = [piece.decode() for piece in pieces]
    return [text for text in texts if duckdb.tokenize(text)]


def refuse_kind(tree: dict[str, Any], statement: str, free_pivot: bool) -> None:
    """Raise `RefusedSqlError` for a statement without a tree, unless it is a PIVOT and that is free."""
    if tree["error_type"] != "not implemented":
        raise RefusedSqlError(tree["error_message"].partition(' Use "SET')[0])
    text = statement.encode()[duckdb.tokenize(statement)[0][0] :].decode()
    word = re.split(r"\W", text, maxsplit=1)[0].upper()
    if word not in {"PIVOT", "FROM", "SELECT", "WITH"}:
        raise RefusedSqlError(f"expected a SELECT, as a build is only read; found {word}")
    if word != "PIVOT" or not free_pivot:
        raise RefusedSqlError("a PIVOT needs its values here: ON column IN ('a', 'b')")


def check_node(node: Any, ctes: frozenset[str]) -> None:  # noqa: ANN401  # a part of a tree
    """Check a part of a tree and all below it; `ctes` are the names that WITH gives a meaning there."""
    if isinstance(node, list):
        for child in node:
            check_node(child, ctes)
    elif isinstance(node, dict):
        check_kind(node)
        check_names(node, ctes)
        ctes = check_ctes(node, ctes)
        for name, child in node.items():
            if name != "cte_map":
                check_node(child, ctes)


def check_kind(node: dict[str, Any]) -> None:
    """Raise `RefusedSqlError` for an expression, or another node, of a kind that is not listed."""
    if "class" in node:
        if node["class"] not in EXPRESSIONS:
            raise RefusedSqlError(f"{node['class']} is not allowed in an expression")
    elif isinstance(node.get("type"), str) and node["type"] not in NODES:
        raise RefusedSqlError(f"{node['type']} is not allowed in a statement")


def check_names(node: dict[str, Any], ctes: frozenset[str]) -> None:
    """Raise `RefusedSqlError` for a function or a table that is not listed."""
    if "function_name" in node:
        check_listed(node, "function", node["function_name"], FUNCTIONS)
    match node.get("type"):
        case "TABLE_FUNCTION":
            name = node["function"].get("function_name", "")
            check_listed(node["function"], "table function", name, TABLE_FUNCTIONS)
        case "BASE_TABLE" if node["schema_name"] or fold(node["table_name"]) not in ctes:
            check_listed(node, "table", node["table_name"], TABLE_NAMES)
        case "SHOW_REF" if node["query"] is None and node["table_name"] != '"tables"':
            raise RefusedSqlError("of SHOW, only SHOW TABLES is allowed")
    if node.get("at_clause") is not None:
        raise RefusedSqlError("AT is not allowed: a build has one version")


def check_listed(node: dict[str, Any], kind: str, name: str, allowed: Collection[str]) -> None:
    """Raise `RefusedSqlError` for a name that is not among the allowed, or that another schema has."""
    schema, catalog = (node.get(key) or node.get(f"{key}_name") or "" for key in ("schema", "catalog"))
    if catalog or fold(schema) not in DUCKDB_SCHEMAS:
        prefix = ".".join(filter(None, (catalog, schema)))
        raise RefusedSqlError(f"{kind} {prefix}.{name} is not allowed: write names without a prefix")
    if fold(name) not in allowed:
        close = difflib.get_close_matches(fold(name), allowed, cutoff=0.7)
        offer = f"; there is {', '.join(close)}" if close else ""
        ending = "does not exist in a build" if kind == "table" else "is not allowed"
        raise RefusedSqlError(f"{kind} {name:.100} {ending}{offer}")


def check_ctes(node: dict[str, Any], ctes: frozenset[str]) -> frozenset[str]:
    """Check the WITH of a query and return the names that hold within the query.

    Each sees those before it, a recursive one also itself: any other name is a table's.
    """
    for entry in node.get("cte_map", {}).get("map", []):
        name, query = fold(entry["key"]), entry["value"]
        is_recursive = query["query"]["node"]["type"] == "RECURSIVE_CTE_NODE"
        check_node(query, ctes | {name} if is_recursive else ctes)
        ctes |= {name}
    return ctes


def fold(name: str) -> str:
    """Return a name as DuckDB compares it: only the letters A to Z have no case."""
    return name.encode().lower().decode()
