"""Samplers on fields that are not Gaussian, with an exact denoiser: mixtures of Gaussian fields.

With weights w_i(x, sigma) of the components D = sum_i w_i (mu_i + S_i / (S_i + sigma^2) (x - mu_i)) in Fourier space.
The same starting noise is carried down by each sampler and, as the truth, by Heun's rule in 1999 evaluations. Shown
is the worst relative difference of the mean power in shells k = 1..Nyquist, in per cent. Samplers are told the
spectrum of the mixture.

    python tests/bench/bench_sampler_mixtures.py
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rhodiff.diffusion import sample
from rhodiff.diffusion.modes import from_modes, to_modes

CELLS = 16
FIELDS = 400
WAVE_NUMBER = np.hypot(
    *np.meshgrid(np.fft.fftfreq(CELLS, 1 / CELLS), np.fft.rfftfreq(CELLS, 1 / CELLS), indexing="ij")
)
SHELL = np.rint(WAVE_NUMBER).astype(int)


@dataclass(frozen=True)
class Mixture:
    """Equally likely Gaussian fields: modes of their means, and powers, ``[component, *rspace]``."""

    means: torch.Tensor
    powers: torch.Tensor

    @property
    def spectrum(self) -> torch.Tensor:
        """Power of all fields together, ``[*rspace]``."""
        return (self.means.abs() ** 2 + self.powers).mean(0)

    def denoise(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """E[x_0 | x], ``[N, 1, *space]``."""
        modes, variance = to_modes(x), sigma[:, None, None, None] ** 2
        away = modes - self.means  # [N, component, *rspace]
        total = self.powers + variance
        stored = torch.full(SHELL.shape[-1:], 2.0, dtype=x.dtype)
        stored[0] = stored[-1] = 1.0  # other modes stand for their complex conjugates too
        log_weight = -0.5 * ((away.abs() ** 2 / total + total.log()) * stored).sum((-2, -1))
        weight = torch.softmax(log_weight, dim=1)[..., None, None]
        return from_modes((weight * (self.means + away * self.powers / total)).sum(1, keepdim=True), x.shape[2:])


def mixtures(generator: torch.Generator) -> Iterator[tuple[str, Mixture]]:
    """Names and mixtures; all fall as k^-3."""
    k = np.where(WAVE_NUMBER > 0, WAVE_NUMBER, 1.0)
    steep, tilt = torch.from_numpy(k**-3), torch.from_numpy(k**0.7)
    none = torch.zeros(1, *SHELL.shape, dtype=torch.complex128)
    noise = torch.randn(14, 1, CELLS, CELLS, dtype=torch.float64, generator=generator)
    drawn = to_modes(noise)[:, 0] * steep.sqrt()
    yield "amplitudes 0.5, 1, 2", Mixture(none, torch.stack([0.5 * steep, steep, 2 * steep]))
    yield "slopes -2.3, -3.7", Mixture(none, torch.stack([steep * tilt, steep / tilt]))
    yield "6 clusters", Mixture(0.95 * drawn[:6], 0.1 * steep[None].expand(6, -1, -1))
    yield "8 near-points", Mixture(drawn[6:], 1e-3 * steep[None].expand(8, -1, -1))


def shell_power(fields: torch.Tensor) -> np.ndarray:
    """Power in the shells 1..Nyquist, mean over fields."""
    power = (to_modes(fields).abs() ** 2).mean((0, 1)).numpy()
    return np.bincount(SHELL.ravel(), weights=power.ravel())[1 : CELLS // 2 + 1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[15, 25, 35])
    parser.add_argument("--samplers", nargs="+", default=["gaussian_reference", "dpmpp_2m", "heun", "ddim"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(FIELDS, 1, CELLS, CELLS, dtype=torch.float64, generator=generator)
    print(f"{'worst |dP/P| in per cent':<44}" + "".join(f"{n:>9}" for n in arguments.evaluations))
    for name, mixture in mixtures(generator):
        spectrum = mixture.spectrum
        common = {
            "sigma_min": 0.05 * float(spectrum[0, -1]) ** 0.5,
            "sigma_max": 10 * float(spectrum.max()) ** 0.5,
            "reference_spectrum": spectrum,
        }
        truth = shell_power(sample(mixture.denoise, noise, sampler="heun", evaluations=1999, **common))
        for sampler in arguments.samplers:
            found = [
                shell_power(sample(mixture.denoise, noise, sampler=sampler, evaluations=n, **common))
                for n in arguments.evaluations
            ]
            worst = "".join(f"{100 * np.abs(power / truth - 1).max():>9.2f}" for power in found)
            print(f"{name:<22}{sampler:<22}{worst}", flush=True)


if __name__ == "__main__":
    main()
