"""The timed side of Pylians in bench_power_spectrum.py; runs in the environment of the peers.

spectra_pylians.py MAPS SIZE      answers each line on standard input with CPU seconds, after a first line
"""

import json
import sys
import time

import numpy as np
import Pk_library

num_maps, size = int(sys.argv[1]), int(sys.argv[2])
maps = np.random.default_rng(0).normal(size=(num_maps, size, size)).astype(np.float32)
print(json.dumps(0), flush=True)
for _ in sys.stdin:
    start = time.process_time()
    for field in maps:
        Pk_library.Pk_plane(field, 100.0, "None", 1, verbose=False)
    print(json.dumps(time.process_time() - start), flush=True)
