"""Files of a run: layout, atomic writes, journals, locks, and fields in sharded Zarr."""

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
