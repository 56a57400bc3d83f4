"""Flux: statements to text. Pure; `flux.py` sends them, `_annotated_csv.py` reads what comes back.

No text of others stands in a statement as it is. Strings are written byte by byte in hex wherever a byte is not plainly
harmless: escaping by backslash can be left with the value `a$\\`, because Flux's scanner takes `$` and whatever follows
it for one token. Times are RFC 3339 made of integers, and half-open: [start, stop).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from shared.columns import LATEST, AggregateQuery, SampleQuery

ROWS, COUNT = "rows", "count"
"""The results of a read: its rows, and how many they are. The second is there even when there are none."""

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _.:/-")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DISCOVERED = "-7d"
"""How far back discovery looks, by the server's clock: nothing is decided from it."""
_ZERO = (
    "#datatype,string,long,long\n#group,false,false,false\n#default,_result,,\n,result,table,_value\n,,0,0\n"
)
_FUNCTIONS = {LATEST: "last", "count": "count", "sum": "sum", "min": "min", "max": "max"}
_RESERVED = frozenset({"_time", "_value", "_field", "_measurement", "_start", "_stop"})


def literal(text: str) -> str:
    """A string literal that holds exactly this text."""
    return '"' + "".join(chr(byte) if byte in _SAFE else f"\\x{byte:02x}" for byte in text.encode()) + '"'


def moment(ms: int) -> str:
    """Epoch milliseconds UTC as a time literal."""
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tags_of(names: Iterable[str]) -> list[str]:
    """The tags that can exist, each once: Flux keeps some names for itself."""
    return [name for name in dict.fromkeys(names) if name not in _RESERVED]


def select(query: SampleQuery, bucket: str) -> str:
    """One raw read: results ROWS (columns `_field`, `_time`, `_value` and the tags) and COUNT.

    A table may hold one type only, so each field gets a table of its own.
    """
    columns = ["_field", "_time", "_value", *tags_of(query.tags)]
    span = moment(query.start), moment(query.stop)
    return "\n".join(
        (
            'import "csv"',
            f"rows = {_source(bucket, query.measurement, query.fields, query.where, span)}",
            f"  |> keep(columns: {_array(columns)})",
            '  |> group(columns: ["_field"])',
            f"rows |> yield(name: {literal(ROWS)})",
            *_counted(["rows"]),
        )
    )


def aggregate(query: AggregateQuery, bucket: str) -> str:
    """The parts: a result for each function of each, named by `result_name`, with a row per series; and COUNT.

    Each is written out, from the bucket to the function, because 2.x reduces only such chains within its storage.
    """
    lines, names = ['import "csv"'], []
    for place, part in enumerate(query.parts):
        # 1.8 counts the point at the stop in, later ones don't: one nanosecond less means the same to both.
        span = moment(part.start), moment(part.stop - 1).replace("Z", "999999Z")
        source = _source(bucket, query.measurement, (part.field,), query.where, span)
        for function in part.functions:
            name = f"part{place}{function}"
            time = ["_time"] if function == LATEST else []
            kept = _array(["_value", *time, *tags_of(query.tags)])
            lines.append(
                f"{name} = {source}\n  |> {_FUNCTIONS[function]}() |> keep(columns: {kept}) |> group()"
            )
            lines.append(f"{name} |> yield(name: {literal(result_name(place, function))})")
            names.append(name)
    return "\n".join([*lines, *_counted(names)])


def result_name(part: int, function: str) -> str:
    """The result that holds one function of one part."""
    return f"{part} {function}"


def _counted(names: Sequence[str]) -> list[str]:
    """The result COUNT: how many rows these have together.

    Flux hands out results in any order and says nothing of an empty one. A zero of our own lets this one be there
    always: whoever reads it knows how many rows must have come, and that an answer without it was cut off.
    """
    tables = ["zero", *(f"{name} |> count() |> group()" for name in names)]
    return [
        f"zero = csv.from(csv: {literal(_ZERO)})",
        f"union(tables: [{', '.join(tables)}]) |> group() |> sum() |> yield(name: {literal(COUNT)})",
    ]


def _source(
    bucket: str,
    measurement: str,
    fields: Iterable[str],
    where: Sequence[Mapping[str, str]],
    span: tuple[str, str],
) -> str:
    """The points of some fields, filtered where the storage itself can filter."""
    terms = [_equals("_measurement", measurement)]
    terms += _either([_equals("_field", name) for name in dict.fromkeys(fields)])
    alternatives = [_all(tags) for tags in where]
    if all(alternatives):  # an alternative without tags asks for everything
        terms += _either(alternatives)
    return (
        f"from(bucket: {literal(bucket)})\n"
        f"  |> range(start: {span[0]}, stop: {span[1]})\n"
        f"  |> filter(fn: (r) => {' and '.join(terms)})"
    )


def _equals(column: str, value: str) -> str:
    return f"r[{literal(column)}] == {literal(value)}"


def _all(tags: Mapping[str, str]) -> str:
    """A combination of tags; an empty value means that the tag is missing, which equals nothing in Flux."""
    terms = [_equals(tag, value) if value else f"not exists r[{literal(tag)}]" for tag, value in tags.items()]
    return f"({' and '.join(terms)})" if terms else ""


def _either(terms: Sequence[str]) -> list[str]:
    return [f"({' or '.join(terms)})"] if terms else []


def _array(names: Iterable[str]) -> str:
    return f"[{', '.join(map(literal, names))}]"


# ------------------------------------------------------------------ discovery


def field_types(bucket: str, measurement: str | None) -> str:
    """One value of each field of each measurement (or of one): the type of its column is the field's type."""
    return (
        f"{_lately(bucket, measurement)}\n"
        f'  |> group(columns: ["_measurement", "_field"])\n'
        f"  |> first()\n"
        f'  |> keep(columns: ["_measurement", "_field", "_value"])\n'
        f"  |> yield(name: {literal(ROWS)})"
    )


def tag_keys(bucket: str, measurements: Sequence[str]) -> str:
    """The column names of each measurement, in results named by their places."""
    return "\n".join(
        f"{_lately(bucket, name)}\n"
        f'  |> keys() |> keep(columns: ["_value"]) |> distinct()'
        f" |> yield(name: {literal(str(place))})"
        for place, name in enumerate(measurements)
    )


def tag_values(bucket: str, keys: Sequence[tuple[str, str]], limit: int) -> str:
    """A few values of each (measurement, tag), in results named by their places."""
    return "\n".join(
        f"{_lately(bucket, name)}\n"
        f"  |> keep(columns: {_array([tag])}) |> group() |> distinct(column: {literal(tag)})"
        f" |> limit(n: {limit:d}) |> yield(name: {literal(str(place))})"
        for place, (name, tag) in enumerate(keys)
    )


def _lately(bucket: str, measurement: str | None) -> str:
    only = "" if measurement is None else f"\n  |> filter(fn: (r) => {_equals('_measurement', measurement)})"
    return f"from(bucket: {literal(bucket)})\n  |> range(start: {_DISCOVERED}){only}"
