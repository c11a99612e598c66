"""A report as bytes and their media type: JSON, CSV for spreadsheets, Parquet for warehouses. The same rows in each."""

import csv
import io
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from api.reports.schemas import CtrReport

_MEASURES = ("impressions", "media_impressions", "viewable", "clicks", "ctr", "vctr", "spend_micros", "currency")
_FLOATS = {"ctr", "vctr"}
_INTEGERS = {"impressions", "media_impressions", "viewable", "clicks", "spend_micros"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


File = tuple[bytes, str]


def to_json(report: CtrReport, fields: tuple[str, ...]) -> File:
    """Rows show what was grouped by, not the other dimensions."""
    names = set(column_names(fields))
    body = report.model_dump(mode="json", by_alias=True, exclude={"rows"})
    body["rows"] = [row.model_dump(include=names) for row in report.rows]
    return msgspec.json.encode(body), "application/json"


def to_csv(report: CtrReport, fields: tuple[str, ...]) -> File:
    """With a header; null is empty. Texts that a spreadsheet would run as a formula get an apostrophe (OWASP)."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = column_names(fields)
    writer.writerow(names)
    writer.writerows([[_cell(getattr(row, name)) for name in names] for row in report.rows])
    return out.getvalue().encode(), "text/csv; charset=utf-8"


def to_parquet(report: CtrReport, fields: tuple[str, ...]) -> File:
    """With types: 64-bit integers, doubles and text."""
    names = column_names(fields)
    table = pa.table({name: pa.array([getattr(row, name) for row in report.rows], _type(name)) for name in names})
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue(), "application/vnd.apache.parquet"


def column_names(fields: tuple[str, ...]) -> list[str]:
    """What was grouped by, then the measures; no name twice."""
    return list(dict.fromkeys([*fields, *_MEASURES]))


def _type(name: str) -> "pa.DataType":
    if name in _FLOATS:
        return pa.float64()
    return pa.int64() if name in _INTEGERS else pa.string()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
