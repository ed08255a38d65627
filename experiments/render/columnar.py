"""Tables as parquet files, where pyarrow is there."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any


def parquet(columns: Mapping[str, Sequence[Any]]) -> bytes | None:
    """Columns of equal length as a parquet file; None without pyarrow (extras `llm`, `sweep`)."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        return None
    out = io.BytesIO()
    pq.write_table(pa.table({n: list(v) for n, v in columns.items()}), out)
    return out.getvalue()
