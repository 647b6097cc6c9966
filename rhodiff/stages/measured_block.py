"""What was measured of some fields of a set, one row a field: joined, picked from, and kept in a file.

The file is a plain ``.npz`` without pickles, written whole or not at all; its members carry checksums. It is a
partial result: it lives until the comparison that it is for is stored.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.statistics import Measurement, NearestFields, ValueRows
from rhodiff.store.files import write_atomic

__all__ = ["MeasuredBlock"]


@dataclass(frozen=True, eq=False)
class MeasuredBlock:
    """Measurements of fields.

    Attributes:
        measurements: each statistic of each channel.
        values: distributions of the values by channel; empty where they are not asked for.
        nearest: distance to the training fields; None where it is not asked for.
    """

    measurements: tuple[Measurement, ...]
    values: Mapping[str, ValueRows]
    nearest: NearestFields | None

    @classmethod
    def join(cls, blocks: Sequence["MeasuredBlock"]) -> "MeasuredBlock":
        """The fields of several blocks, in this order.

        Raises:
            DataError: if they were measured on different axes.
        """
        kinds = zip(*(block.measurements for block in blocks), strict=True)
        found = [block.nearest for block in blocks if block.nearest is not None]
        return cls(
            tuple(Measurement.concatenate(same) for same in kinds),
            {name: ValueRows.concatenate([block.values[name] for block in blocks]) for name in blocks[0].values},
            _joined(found) if found else None,
        )

    def take(self, positions: NDArray[np.int64]) -> "MeasuredBlock":
        """Some of the fields, in this order."""
        rows = {n: {k: array[positions] for k, array in v.to_arrays().items()} for n, v in self.values.items()}
        return MeasuredBlock(
            tuple(replace(one, values=one.values[positions]) for one in self.measurements),
            {name: ValueRows.from_arrays(arrays) for name, arrays in rows.items()},
            None if self.nearest is None else NearestFields(*(a[positions] for a in _arrays(self.nearest))),
        )

    def write(self, path: Path) -> None:
        """Keep it in a file.

        Raises:
            StorageError: if the disk refuses.
        """
        header = {
            "measurements": [one.attributes() for one in self.measurements],
            "values": list(self.values),
            "nearest": self.nearest is not None,
        }
        members: dict[str, Any] = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
        for number, one in enumerate(self.measurements):
            members |= {f"measurement-{number}-{name}": array for name, array in one.to_arrays().items()}
        for number, rows in enumerate(self.values.values()):
            members |= {f"values-{number}-{name}": array for name, array in rows.to_arrays().items()}
        if self.nearest is not None:
            members |= {f"nearest-{n}": array for n, array in enumerate(_arrays(self.nearest))}
        write_atomic(path, lambda handle: np.savez(handle, **members))

    @classmethod
    def read(cls, path: Path) -> "MeasuredBlock":
        """Read what :meth:`write` kept.

        Raises:
            DataError: if there is no such file, or it is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                members = dict(stored)
            header = json.loads(members["header"].tobytes())
            return cls(
                tuple(
                    Measurement.from_arrays(_under(members, f"measurement-{number}-"), labels)
                    for number, labels in enumerate(header["measurements"])
                ),
                {
                    name: ValueRows.from_arrays(_under(members, f"values-{number}-"))
                    for number, name in enumerate(header["values"])
                },
                NearestFields(*(members[f"nearest-{n}"] for n in range(3))) if header["nearest"] else None,
            )
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is missing or damaged ({error}): evaluate again") from error


def _arrays(found: NearestFields) -> tuple[NDArray[Any], ...]:
    return found.distance, found.index, found.second_distance


def _joined(found: Sequence[NearestFields]) -> NearestFields:
    return NearestFields(*(np.concatenate(same) for same in zip(*map(_arrays, found), strict=True)))


def _under(members: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in members.items() if name.startswith(prefix)}
