"""Fields on which implementations of Minkowski functionals disagree, beside random ones."""

import numpy as np
from scipy.ndimage import gaussian_filter

__all__ = ["LEVELS", "make_fields"]

LEVELS = np.array([-2.0, -1.0, -0.3, 0.0, 0.1, 0.5, 1.0, 1.7, 9.0])


def make_fields(shape, count, seed):
    """``[count, *shape]``: noise, smooth noise, ties on the thresholds, dust, float32, and figures on the border."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(count, *shape))
    smooth = gaussian_filter(noise, (0, *(1.2 for _ in shape)))
    kinds = [
        noise,
        smooth / smooth.std(),
        random.choice(LEVELS, size=noise.shape),
        noise.astype(np.float32).astype(float),
        np.where(random.random(noise.shape) < 0.08, 1.0, -3.0),
        np.where(random.random(noise.shape) < 0.92, 1.0, -3.0),
    ]
    fields = np.stack([kinds[i % len(kinds)][i] for i in range(count)])
    figures = list(_figures(shape))
    fields[: len(figures)] = figures
    return fields


def _figures(shape):
    parity = np.indices(shape).sum(axis=0) % 2
    yield np.zeros(shape)
    yield np.full(shape, 20.0)
    yield np.full(shape, -20.0)
    yield 2.0 * parity - 1
    yield 1.0 - 2 * parity
    yield np.indices(shape)[0] % 2 * 2.0 - 1
    yield np.indices(shape)[-1] % 2 * 2.0 - 1
    for place in ((0,) * len(shape), tuple(n - 1 for n in shape), (0, *(n - 1 for n in shape[1:]))):
        dot = np.full(shape, -1.0)
        dot[place] = 1
        yield dot
        yield -dot
    frame = np.ones(shape)
    frame[tuple(slice(1, -1) for _ in shape)] = -1
    yield frame
    yield -frame
