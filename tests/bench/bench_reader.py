"""Time of reading random training batches against ``numpy.memmap`` and zarr, on the same fields in one process.

    python tests/bench/bench_reader.py [--size 64] [--fields 4096] [--batch 40] [--repeats 15]

Rounds of the three readers alternate and the median of the paired ratios is reported. Pages are in memory for all.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rhodiff.store import FieldSpec, create_fields, open_fields, open_reader, write_shard
from rhodiff.store.field_store import num_shards, shard_range

SHARD_LENGTH = 256


def make_stores(folder: Path, size: int, num_fields: int) -> tuple[Path, Path]:
    """The same random fields as a sharded store and as a .npy file."""
    fields = np.random.default_rng(0).normal(size=(num_fields, 1, size, size)).astype(np.float32)
    spec = FieldSpec(name="field", shape=(size, size), spacing=(1.0, 1.0), periodic=(True, True))
    store, array = folder / "fields.zarr", folder / "fields.npy"
    create_fields(store, spec, [], num_fields=num_fields, shard_length=SHARD_LENGTH)
    for shard in range(num_shards(num_fields, SHARD_LENGTH)):
        start, stop = shard_range(shard, num_fields, SHARD_LENGTH)
        part = fields[start:stop]
        write_shard(store, start, part, np.ones((len(part), 0)), np.ones(len(part), dtype=bool))
    np.save(array, fields)
    return store, array


def time_round(read: Callable[[np.ndarray], object], batches: list[np.ndarray]) -> float:
    """Seconds for all batches."""
    start = time.perf_counter()
    for batch in batches:
        read(batch)
    return time.perf_counter() - start


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("size", 64), ("fields", 4096), ("batch", 40), ("repeats", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store, array = make_stores(Path(folder), arguments.size, arguments.fields)
        opened = open_fields(store)
        reader, mapped = open_reader(opened), np.load(array, mmap_mode="r")
        random = np.random.default_rng(1)
        batches = [random.integers(0, arguments.fields, arguments.batch) for _ in range(400)]
        assert np.array_equal(reader.read(batches[0]), mapped[batches[0]])
        pairs = [
            (time_round(reader.read, batches), time_round(lambda b: np.asarray(mapped[b]), batches))
            for _ in range(arguments.repeats + 1)
        ][1:]
        through_zarr = time_round(opened.fields.oindex.__getitem__, batches[:20]) * len(batches) / 20
    ours = statistics.median(a for a, _ in pairs)
    result = {
        "ours_us_per_batch": 1e6 * ours / len(batches),
        "memmap_us_per_batch": 1e6 * statistics.median(b for _, b in pairs) / len(batches),
        "ratio_to_memmap": statistics.median(a / b for a, b in pairs),
        "zarr_over_ours": through_zarr / ours,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
