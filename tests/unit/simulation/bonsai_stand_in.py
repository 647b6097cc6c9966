#!/usr/bin/env python3
"""A program with Bonsai's command line, files, log and silent failures, written from its description alone.

Particles move on straight lines, so that positions at any time are known. STAND_IN_FAILURE says how to fail,
STAND_IN_RANKS how many files a snapshot has, STAND_IN_CALLS names a file that gets a line for each start.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

DARK = np.dtype([("m", "<f4"), ("x", "<f4", 3), ("v", "<f4", 3), ("id", "<u8")])
STAR = np.dtype([("m", "<f4"), ("x", "<f4", 3), ("v", "<f4", 3), ("metals", "<f4"), ("tform", "<f4"), ("id", "<u8")])
HEADER = np.dtype([("time", "<f8"), ("n", "<i4", 6)])
ALL = np.dtype([("m", "<f4"), ("x", "<f4", 3), ("v", "<f4", 3), ("id", "<u8")])


def parse():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name, kind in (("-i", str), ("-t", float), ("-T", float), ("-e", float), ("-o", float), ("--snapname", str)):
        parser.add_argument(name, type=kind, required=True)
    parser.add_argument("--snapiter", type=float, default=-1)
    parser.add_argument("--dev", type=int, default=0)
    parser.add_argument("--log", action="store_true")
    parser.add_argument("--restart", action="store_true")
    return parser.parse_args()


def read(paths):
    parts = []
    for path in paths:
        content = Path(path).read_bytes()
        header = np.frombuffer(content, HEADER, 1)[0]
        _, _, nsph, ndark, nstar, version = header["n"]
        assert (nsph, version) == (0, 2)
        dark = np.frombuffer(content, DARK, ndark, 32)
        star = np.frombuffer(content, STAR, nstar, 32 + 36 * ndark)
        for part in (dark, star):
            rows = np.empty(len(part), ALL)
            for name in ALL.names:
                rows[name] = part[name]
            parts.append(rows)
    return float(header["time"]), np.concatenate(parts)


def write(path, now, rows):
    is_dark = rows["id"] >= 3 * 10**18
    dark, star = np.zeros(is_dark.sum(), DARK), np.zeros((~is_dark).sum(), STAR)
    for part, chosen in ((dark, is_dark), (star, ~is_dark)):
        for name in ALL.names:
            part[name] = rows[name][chosen]
    header = np.array([(now, (len(rows), 3, 0, len(dark), len(star), 2))], HEADER)
    Path(path).write_bytes(header.tobytes() + dark.tobytes() + star.tobytes())


def spoil(failure, rows):
    """A snapshot's particles with what is wrong with them."""
    if failure == "nan":
        rows["x"][3, 1] = np.nan
    if failure == "duplicate":
        rows["id"][4] = rows["id"][5]
    return rows[:-2] if failure == "lost" else rows


def main():
    options, failure = parse(), os.environ.get("STAND_IN_FAILURE", "")
    ranks = int(os.environ.get("STAND_IN_RANKS", "1"))
    if "STAND_IN_CALLS" in os.environ:
        with Path(os.environ["STAND_IN_CALLS"]).open("a") as calls:
            calls.write(" ".join(sys.argv[1:]) + "\n")
    sources = [f"{options.i}-{rank}" for rank in range(ranks)] if options.restart else [options.i]
    if failure == "silent" or not all(Path(source).exists() for source in sources):
        print("Can't open input file", file=sys.stderr)
        sys.exit(0)
    start, rows = read(sources)
    steps = round((options.T - start) / options.t)
    every = round(options.snapiter / options.t)
    half = steps // 2 // every * every
    for step in range(steps + 1):
        now = np.float32(start + step * options.t)
        total = -1.5 - (0.1 * step / steps if failure == "energy" else 0)
        print(
            f"iter={step} : time= {now:g}  Etot= {total:.10g}  Ekin= {1.5:g}   Epot= {total - 1.5:g} : "
            f"de= {total / -1.5 - 1:g} ( 0 ) d(de)= 0 ( 0 ) t_sim=  0.1 sec",
            flush=True,
        )
        if step == 0 or step % every:
            continue
        if step > half:
            stop(failure)
        moved = rows.copy()
        moved["x"] += moved["v"] * np.float32(step * options.t)
        moved = np.random.default_rng(step).permutation(spoil(failure if step > half else "", moved))
        if failure == "unwritable" and step > half:
            continue
        for rank in range(ranks):
            path = Path(f"{options.snapname}_{now:010.4f}-{rank}")
            write(path, now, moved[rank::ranks])
            if failure == "truncated" and step > half:
                path.write_bytes(path.read_bytes()[:-20])


def stop(failure):
    if failure == "cuda":
        print("CUDA error: out of memory", file=sys.stderr)
        sys.exit(255)
    if failure == "exception":
        print("terminate called", file=sys.stderr)
        sys.exit(0)
    if failure == "abort":
        os.kill(os.getpid(), signal.SIGABRT)
    if failure == "hang":
        while True:
            time.sleep(60)


main()
