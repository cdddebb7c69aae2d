"""Filters, order and pages: the pages put together are the answer of plain SQL."""

import base64
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import Conflict, Gone, NotFound

from serve.parameters import InvalidRequestError
from serve.row_filters import OPERATORS
from serve.row_request import PageQuery, RowRequest, parse_request
from warehouse.read import CORE_TABLES, make_core_table
from warehouse.schema import TABLES
from warehouse.table import TYPES, Column, Table

KINDS = ("VARCHAR", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP")
THINGS = Table(
    "thing", "T.", "thing", ("id", "part"),
    (
        Column("part", "VARCHAR", "P.", "P", allowed=("a", "b, c")),
        Column("id", "BIGINT", "I.", "I", minimum=0, maximum=99),
        *(Column(kind.lower(), kind, "C.", "C", nullable=True) for kind in KINDS),
    ),
)  # fmt: skip
VALUES: dict[str, list[str]] = {
    "varchar": ["", "a", "A", "é,'", '"['],
    "integer": ["-1", "0", "7"],
    "double": ["0.1", "0.30000000000000004", "0.3", "-0.0", "1e-300", "5e+22"],
    "boolean": ["true", "false"],
    "date": ["2021-02-28", "2021-03-01"],
    "timestamp": ["2021-03-01T00:00:00", "2021-03-01T00:00:00.000001"],
}
SQL = {
    "exact": "=", "not": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "in": "IN",
    "notin": "NOT IN", "isnull": "IS NULL", "notnull": "IS NOT NULL",
}  # fmt: skip


@pytest.fixture(scope="module")
def things() -> Iterator[sa.Connection]:
    """A table of 60 rows with many ties and NULLs."""
    engine = sa.create_engine("duckdb:///:memory:")
    with pytest.MonkeyPatch.context() as patch, engine.begin() as connection:
        core = make_core_table(THINGS)
        patch.setitem(CORE_TABLES, "thing", core)
        core.create(connection)
        for number in range(60):
            values = [
                f"'{texts[number * step % 13]}'" if number * step % 13 < len(texts) else "NULL"
                for step, texts in zip(
                    (1, 2, 3, 5, 7, 11), (quote(v) for v in VALUES.values()), strict=True
                )
            ]
            row = f"'{'a' if number % 2 else 'b, c'}', {number // 2}, {', '.join(values)}"
            connection.exec_driver_sql(f"INSERT INTO thing VALUES ({row})")
        yield connection
    engine.dispose()
    core.metadata.remove(core)


def quote(texts: list[str]) -> list[str]:
    """Return texts as they stand between quotes in SQL."""
    return [text.replace("'", "''") for text in texts]


def parse(query: dict[str, Any], filters: dict[str, list[str]] | None = None) -> RowRequest:
    """Return the request of a build called B."""
    return parse_request(THINGS, "B", PageQuery.model_validate(query | (filters or {})))


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, list[str], str]:
    """Return a parameter, its texts and the same in SQL."""
    name = draw(st.sampled_from(sorted(VALUES)))
    operation = draw(st.sampled_from(sorted(SQL)))
    texts = draw(st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=3))
    literals = [f"'{text}'::{name}" for text in quote(texts)]
    if operation in {"in", "notin"}:
        found = f"{name} {SQL[operation]} ({', '.join(literals)})"
        return f"{name}__{operation}", [json.dumps(texts)], found
    if operation in {"isnull", "notnull"}:
        return f"{name}__{operation}", ["true"], f"{name} {SQL[operation]}"
    parameter = name if operation == "exact" else f"{name}__{operation}"
    return parameter, texts[:1], f"{name} {SQL[operation]} {literals[0]}"


@settings(deadline=None)
@given(
    st.lists(conditions(), max_size=2, unique_by=lambda condition: condition[0]),
    st.lists(st.sampled_from(THINGS.column_names), max_size=4, unique=True),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.lists(st.sampled_from(THINGS.column_names), min_size=1, max_size=3, unique=True),
    st.integers(4, 40),
)
def test_pages_are_the_answer_of_plain_sql(
    things: sa.Connection,
    found: list[tuple[str, list[str], str]],
    sort: list[str],
    descends: list[bool],
    columns: list[str],
    limit: int,
) -> None:
    where = " AND ".join(condition for _, _, condition in found) or "true"
    order = [
        f"{name} {'DESC' if down else 'ASC'} NULLS LAST"
        for name, down in zip(sort, descends, strict=False)
    ]
    order += [name for name in ("id", "part") if name not in sort]
    sql = f"SELECT {', '.join(columns)} FROM thing WHERE {where} ORDER BY {', '.join(order)}"
    expected = things.exec_driver_sql(sql).fetchall()

    query: dict[str, Any] = {"_columns": ",".join(columns), "_limit": limit}
    if sort:
        query["_sort"] = ",".join("-" * down + name for name, down in zip(sort, descends, strict=False))
    filters = {parameter: texts for parameter, texts, _ in found}
    rows: list[Any] = []
    for _ in range(100):
        request = parse(query, filters)
        page = things.execute(request.select_page(limit)).mappings().fetchall()
        rows += [tuple(row[name] for name in columns) for row in page[:limit]]
        if len(page) <= limit:
            break
        query["_next"] = request.render_token(page[limit - 1])
    assert rows == [tuple(row) for row in expected]
    assert things.execute(parse({}, filters).count_rows()).scalar() == len(expected)
    whole = parse(query | {"_limit": None, "_next": None}, filters)
    assert things.execute(whole.select_rows()).fetchall() == expected or not sort


@pytest.mark.parametrize(
    ("filters", "where"),
    [
        ({"part__in": ['["b, c"]']}, "part = 'b, c'"),
        ({"part__in": ["a", '["b, c"]']}, "true"),
        ({"integer__in": ["[7, 0]"]}, "integer IN (0, 7)"),
        ({"integer__in": ["7, 0"]}, "integer IN (0, 7)"),
        ({"integer__in": ["7", "0"]}, "integer IN (0, 7)"),
        ({"part__in": ["b, c", "a"]}, "part IN ('b, c', 'a')"),
        ({"varchar__contains": ["'"]}, "varchar LIKE '%''%'"),
        ({"varchar__startswith": ["%"]}, "false"),
        ({"varchar__startswith": ["é"]}, "varchar LIKE 'é%'"),
        ({"timestamp__gte": ["2021-03-01"], "timestamp__lt": ["2021-03-02"]}, "timestamp IS NOT NULL"),
        ({"double__isnull": ["false"]}, "double IS NOT NULL"),
        ({"double__notnull": ["false"]}, "double IS NULL"),
        ({"id__gt": ["-5"], "id__lt": ["1000.0"]}, "true"),
    ],
)
def test_filter_finds(things: sa.Connection, filters: dict[str, list[str]], where: str) -> None:
    found = things.execute(parse({}, filters).select_rows()).fetchall()
    assert found == things.exec_driver_sql(f"SELECT * FROM thing WHERE {where}").fetchall()


@pytest.mark.parametrize(
    ("query", "filters", "message"),
    [
        ({}, {"integr": ["1"]}, "integr: unknown column 'integr' of thing: did you mean integer?"),
        ({}, {"integer__gtt": ["1"]}, "unknown operator of a INTEGER column: did you mean gt"),
        ({}, {"integer__contains": ["1"]}, "unknown operator of a INTEGER column"),
        ({}, {"integer": ["1", "2"]}, "integer: expected once, found 2 times"),
        ({}, {"integer": ["1"], "integer__exact": ["1"]}, "integer: expected once, found 2 times"),
        ({}, {"integer": ["one"]}, "integer: expected a number like 7 or -0.5, found 'one'"),
        ({}, {"integer": ["1_0"]}, "integer: expected a number like 7"),
        ({}, {"double__gt": [" 1"]}, "double__gt: expected a number like 7"),
        ({}, {"integer": ["1.5"]}, "integer: expected a valid integer"),
        ({}, {"integer__in": ["1,"]}, "integer__in: expected a number like 7.*, found ''"),
        ({}, {"integer__in": ["[1"]}, "integer__in: expected values divided by commas or a JSON list"),
        ({}, {"integer__in": ["[[1]]"]}, "integer__in: expected values divided by commas"),
        ({}, {"integer__lt": ["9" * 19]}, "integer__lt: expected less than 9223372036854775808"),
        ({}, {"part": ["d"]}, "part: expected 'a' or 'b, c', found 'd'"),
        ({}, {"part__notin": ["b, c"]}, "part__notin: expected 'a' or 'b, c', found 'b'"),
        ({}, {"id": ["100"]}, "id: expected less than or equal to 99, found '100'"),
        ({}, {"double": ["nan"]}, "double: expected a number like 7.*, found 'nan'"),
        ({}, {"boolean": ["2"]}, "boolean: expected a valid boolean"),
        ({}, {"date__gt": ["20210301"]}, "date__gt: expected a text that begins with a day"),
        ({}, {"date": ["2021-02-29"]}, "date: expected a valid date"),
        ({}, {"timestamp": ["2021-03-01T00:00Z"]}, "timestamp: expected no timezone|timezone"),
        ({}, {"varchar__in": ['["\\ud800"]']}, "varchar__in: expected valid Unicode"),
        ({}, {"_sorted": ["id"]}, "unknown parameter '_sorted': did you mean _sort"),
        ({"_sort": "id,-id"}, {}, "_sort: expected each column once, found 'id,id'"),
        ({"_sort": ""}, {}, "_sort: unknown column ''"),
        ({"_columns": "id,bolean"}, {}, "_columns: unknown column 'bolean' of thing: did you mean bool"),
        ({"_next": "é"}, {}, "_next: expected `next` of an earlier answer, found 'é'"),
        ({"_next": "W10"}, {}, "_next: expected `next` of an earlier answer"),
    ],
)  # fmt: skip
def test_error_names_parameter_expected_and_found(
    things: sa.Connection, query: dict[str, Any], filters: dict[str, list[str]], message: str
) -> None:
    with pytest.raises((InvalidRequestError, NotFound), match=message):
        parse(query, filters)


def take_token(things: sa.Connection, **query: str) -> str:
    """Return the token behind the first row."""
    request = parse(query)
    return request.render_token(things.execute(request.select_page(1)).mappings().fetchall()[0])


def test_token_counts_for_its_own_build_filters_and_order_only(things: sa.Connection) -> None:
    token = take_token(things, _sort="-double")
    assert parse({"_sort": "-double", "_next": token}).after is not None
    with pytest.raises(Conflict, match="other filters or another _sort"):
        parse({"_sort": "double", "_next": token})
    with pytest.raises(Conflict, match="other filters or another _sort"):
        parse({"_sort": "-double", "_next": token}, {"id__gt": ["1"]})
    query = PageQuery.model_validate({"_sort": "-double", "_next": token})
    with pytest.raises(Gone, match="of build B, served is C"):
        parse_request(THINGS, "C", query)


@pytest.mark.parametrize("values", [[], ["x", "a"], ["1"], ["1", "a", "1"], [None, "a"], [{}, "a"]])
def test_token_made_by_hand_is_refused(things: sa.Connection, values: list[object]) -> None:
    *scope, _ = json.loads(base64.urlsafe_b64decode(take_token(things) + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([*scope, values]).encode()).decode()
    with pytest.raises(NotFound, match="_next"):
        parse({"_next": forged})


def test_every_column_can_be_filtered() -> None:
    names = {column.name for table in TABLES for column in table.columns}
    assert not any("__" in name or name.startswith("_") for name in names)
    assert set(SQL) | {"contains", "startswith"} == set(OPERATORS)
    assert {*KINDS, "BIGINT"} == set(TYPES)
    assert dt.datetime(2021, 3, 1) == parse({}, {"timestamp": ["2021-03-01"]}).conditions[0].right.value  # noqa: DTZ001
