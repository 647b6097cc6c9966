"""Files of a run: layout, atomic writes, journals, locks, and fields in sharded Zarr.

What needs zarr is loaded when it is first asked for: a job's body and ``rhodiff-hpc status`` start without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rhodiff.store.field_store import FieldStore, open_fields
    from rhodiff.store.field_writing import create_fields, write_shard
    from rhodiff.store.reader import FieldReader, open_reader
    from rhodiff.store.spec import FieldSpec, Parameter

__all__ = [
    "FieldReader",
    "FieldSpec",
    "FieldStore",
    "Parameter",
    "create_fields",
    "open_fields",
    "open_reader",
    "write_shard",
]

_HOMES = {
    "FieldReader": "reader",
    "FieldSpec": "spec",
    "FieldStore": "field_store",
    "Parameter": "spec",
    "create_fields": "field_writing",
    "open_fields": "field_store",
    "open_reader": "reader",
    "write_shard": "field_writing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
