"""JSON by PostgreSQL: ``row_to_json`` over a sub-select whose columns are named by the answer's keys.

Of the ways to build JSON it is the fastest. Its keys are identifiers, which PostgreSQL cuts at 63 bytes without an error:
objects with longer keys are put together as text. Rows are named ``o.*``, because ``o`` would be the column of a key "o".
"""

MAX_IDENTIFIER_BYTES = 63
Columns = list[tuple[str, str]]


def quoted(key: str) -> str:
    return f'"{key}":'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _fits(columns: Columns) -> bool:
    return all(len(key) <= MAX_IDENTIFIER_BYTES for key, _ in columns)


def _named(columns: Columns) -> str:
    return ", ".join(f'{sql} as "{key}"' for key, sql in columns)


def _as_text(columns: Columns) -> str:
    # An array, because a chain of as many operators as an object may have fields is too deep for PostgreSQL.
    pairs = ", ".join(f"{literal(quoted(key))} || coalesce(to_json({sql})::text, 'null')" for key, sql in columns)
    return f"('{{' || array_to_string(array[{pairs}], ',') || '}}')::json"


def object_sql(columns: Columns) -> str:
    """One object, from expressions over rows that are in scope."""
    if not _fits(columns):
        return _as_text(columns)
    return f"(select row_to_json(o.*) from (select {_named(columns)}) o)"


def row_sql(columns: Columns, source: str) -> str:
    """The object of the only row of ``source`` (from … where …), null without a row."""
    if not _fits(columns):
        return f"(select {_as_text(columns)} {source})"
    return f"(select row_to_json(o.*) from (select {_named(columns)} {source}) o)"


def array_sql(columns: Columns, source: str) -> str:
    """The objects of all rows of ``source`` (from … where … order by … limit …), in that order."""
    if not _fits(columns):
        return f"coalesce((select json_agg(o.j) from (select {_as_text(columns)} as j {source}) o), '[]'::json)"
    return f"coalesce((select json_agg(o.*) from (select {_named(columns)} {source}) o), '[]'::json)"
