"""Linear matter power spectrum and growth of structure in flat LambdaCDM.

Transfer function with baryon oscillations: Eisenstein & Hu (1998, ApJ 496, 605; "EH98"), with their symbols,
equations 2-24. Growth: the integral of Heath (1977, MNRAS 179, 351), for flat LambdaCDM in closed form with the
hypergeometric function. Radiation and neutrino masses are neglected in the growth, and Omega_Lambda = 1 - Omega_m.
Wavenumbers k are in h/Mpc, spectra in (Mpc/h)^3, both comoving.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import simpson
from scipy.special import hyp2f1

__all__ = [
    "CMB_TEMPERATURE_K",
    "Cosmology",
    "growth_factor",
    "growth_rate",
    "linear_power",
    "matter_density",
    "sigma_top_hat",
    "transfer_function",
]

Array = NDArray[np.float64]

CMB_TEMPERATURE_K = 2.7255
"""Fixsen (2009), ApJ 707, 916."""


@dataclass(frozen=True)
class Cosmology:
    """A flat LambdaCDM model.

    Attributes:
        omega_m: matter density parameter today, baryons included; in (0, 1].
        omega_b: baryon density parameter today; in (0, omega_m).
        h: Hubble constant, 100 km/s/Mpc.
        n_s: spectral index of the primordial spectrum.
        sigma_8: linear rms fluctuation in spheres of 8 Mpc/h at redshift 0.
    """

    omega_m: float
    omega_b: float
    h: float
    n_s: float
    sigma_8: float

    def __post_init__(self) -> None:
        assert 0 < self.omega_b < self.omega_m <= 1, f"0 < omega_b < omega_m <= 1 does not hold: {self}"
        assert self.h > 0, f"h must be positive: {self}"
        assert self.sigma_8 > 0, f"sigma_8 must be positive: {self}"


def matter_density(cosmology: Cosmology, redshift: float) -> float:
    """Omega_m(z) = Omega_m (1 + z)^3 / (Omega_m (1 + z)^3 + 1 - Omega_m)."""
    matter = cosmology.omega_m * (1 + redshift) ** 3
    return float(matter / (matter + 1 - cosmology.omega_m))


def growth_factor(cosmology: Cosmology, redshift: float) -> float:
    """Growing mode D(z), 1 at redshift 0.

    D(a) is proportional to a 2F1(1/3, 1; 11/6; -a^3 (1 - Omega_m) / Omega_m); D = a when Omega_m = 1.
    """
    return _growing_mode(cosmology, 1 / (1 + redshift)) / _growing_mode(cosmology, 1.0)


def growth_rate(cosmology: Cosmology, redshift: float) -> float:
    """f(z) = d ln D / d ln a = Omega_m(z) (5 a / (2 D) - 3/2), with D -> a at early times."""
    a = 1 / (1 + redshift)
    return matter_density(cosmology, redshift) * (2.5 * a / _growing_mode(cosmology, a) - 1.5)


def linear_power(k_h_mpc: Array, cosmology: Cosmology, redshift: float = 0.0) -> Array:
    """Linear power spectrum P(k) = A k^n_s T(k)^2 D(z)^2, with A such that sigma(8 Mpc/h) = sigma_8 at redshift 0.

    Args:
        k_h_mpc: wavenumbers, h/Mpc, any shape; P(0) = 0.
        cosmology: the model.
        redshift: at which the spectrum is wanted.

    Returns:
        P(k), (Mpc/h)^3, same shape.
    """
    amplitude = (cosmology.sigma_8 / _sigma_unnormalised(cosmology, 8.0)) ** 2
    return amplitude * growth_factor(cosmology, redshift) ** 2 * _power_unnormalised(k_h_mpc, cosmology)


def sigma_top_hat(cosmology: Cosmology, radius_mpc_h: float, redshift: float = 0.0) -> float:
    """Linear rms fluctuation in spheres.

    sigma^2(R) = int dlnk k^3 P(k) / (2 pi^2) W^2(kR), W(x) = 3 (sin x - x cos x) / x^3.
    """
    ratio = _sigma_unnormalised(cosmology, radius_mpc_h) / _sigma_unnormalised(cosmology, 8.0)
    return cosmology.sigma_8 * ratio * growth_factor(cosmology, redshift)


def transfer_function(k_h_mpc: Array, cosmology: Cosmology) -> Array:
    """Transfer function of matter with baryon oscillations, T(0) = 1 (EH98, eqs. 2-24).

    Args:
        k_h_mpc: wavenumbers, h/Mpc, any shape, not negative.
        cosmology: the model; sigma_8 and n_s do not enter.

    Returns:
        T(k), dimensionless, same shape.
    """
    k = np.maximum(np.asarray(k_h_mpc, dtype=np.float64), 1e-12) * cosmology.h
    scales = _eh98_scales(cosmology)
    baryons = cosmology.omega_b / cosmology.omega_m
    return baryons * _baryon_transfer(k, scales) + (1 - baryons) * _cdm_transfer(k, scales)


def _growing_mode(cosmology: Cosmology, a: float) -> float:
    ratio = (1 - cosmology.omega_m) / cosmology.omega_m
    return a * float(hyp2f1(1 / 3, 1.0, 11 / 6, -ratio * a**3))


def _power_unnormalised(k: Array, cosmology: Cosmology) -> Array:
    k = np.asarray(k, dtype=np.float64)
    primordial = np.where(k > 0, np.maximum(k, 1e-300) ** cosmology.n_s, 0.0)
    return primordial * transfer_function(k, cosmology) ** 2


def _sigma_unnormalised(cosmology: Cosmology, radius: float) -> float:
    # below 1e-5 / R and above 1e3 / R less than 1e-7 of the variance is left
    ln_x = np.linspace(np.log(1e-5), np.log(1e3), 8001)
    x = np.exp(ln_x)
    # the difference of nearly equal terms loses its digits at small x, where W = 1 - x^2 / 10
    window = np.where(x > 1e-2, 3 * (np.sin(x) - x * np.cos(x)) / x**3, 1 - x**2 / 10)
    k = x / radius
    variance = simpson(k**3 * _power_unnormalised(k, cosmology) * window**2, x=ln_x) / (2 * np.pi**2)
    return float(np.sqrt(variance))


@dataclass(frozen=True)
class _Eh98Scales:
    """Quantities of EH98 that do not depend on k; lengths in Mpc, wavenumbers in 1/Mpc."""

    k_eq: float
    s: float
    k_silk: float
    alpha_c: float
    beta_c: float
    alpha_b: float
    beta_b: float
    beta_node: float


def _eh98_scales(cosmology: Cosmology) -> _Eh98Scales:
    theta = CMB_TEMPERATURE_K / 2.7
    om, ob = cosmology.omega_m * cosmology.h**2, cosmology.omega_b * cosmology.h**2
    fb = ob / om
    z_eq = 2.50e4 * om * theta**-4
    k_eq = 7.46e-2 * om * theta**-2
    z_d = _drag_redshift(om, ob)
    R_d, R_eq = (31.5 * ob * theta**-4 * (1e3 / z) for z in (z_d, z_eq))
    s = 2 / (3 * k_eq) * np.sqrt(6 / R_eq) * np.log((np.sqrt(1 + R_d) + np.sqrt(R_d + R_eq)) / (1 + np.sqrt(R_eq)))
    alpha_c, beta_c = _cdm_suppression(om, fb)
    return _Eh98Scales(
        k_eq=k_eq,
        s=float(s),
        k_silk=1.6 * ob**0.52 * om**0.73 * (1 + (10.4 * om) ** -0.95),
        alpha_c=alpha_c,
        beta_c=beta_c,
        alpha_b=float(2.07 * k_eq * s * (1 + R_d) ** -0.75 * _eh98_g((1 + z_eq) / (1 + z_d))),
        beta_b=float(0.5 + fb + (3 - 2 * fb) * np.sqrt((17.2 * om) ** 2 + 1)),
        beta_node=8.41 * om**0.435,
    )


def _drag_redshift(om: float, ob: float) -> float:
    """Redshift at which baryons leave the photons (EH98, eq. 4)."""
    b1 = 0.313 * om**-0.419 * (1 + 0.607 * om**0.674)
    b2 = 0.238 * om**0.223
    return float(1291 * om**0.251 / (1 + 0.659 * om**0.828) * (1 + b1 * ob**b2))


def _cdm_suppression(om: float, fb: float) -> tuple[float, float]:
    """alpha_c and beta_c (EH98, eqs. 11, 12)."""
    a1 = (46.9 * om) ** 0.670 * (1 + (32.1 * om) ** -0.532)
    a2 = (12.0 * om) ** 0.424 * (1 + (45.0 * om) ** -0.582)
    b1 = 0.944 / (1 + (458 * om) ** -0.708)
    b2 = (0.395 * om) ** -0.0266
    return a1 ** (-fb) * a2 ** (-(fb**3)), 1 / (1 + b1 * ((1 - fb) ** b2 - 1))


def _eh98_g(y: float) -> float:
    """G(y) (EH98, eq. 15)."""
    root = np.sqrt(1 + y)
    return float(y * (-6 * root + (2 + 3 * y) * np.log((root + 1) / (root - 1))))


def _pressureless(k: Array, k_eq: float, alpha_c: float, beta_c: float) -> Array:
    """T0~(k, alpha_c, beta_c) (EH98, eqs. 10, 19, 20)."""
    q = k / (13.41 * k_eq)
    C = 14.2 / alpha_c + 386 / (1 + 69.9 * q**1.08)
    log = np.log(np.e + 1.8 * beta_c * q)
    return log / (log + C * q**2)


def _cdm_transfer(k: Array, scales: _Eh98Scales) -> Array:
    """T_c(k) (EH98, eqs. 17, 18)."""
    f = 1 / (1 + (k * scales.s / 5.4) ** 4)
    unsuppressed = _pressureless(k, scales.k_eq, 1.0, scales.beta_c)
    return f * unsuppressed + (1 - f) * _pressureless(k, scales.k_eq, scales.alpha_c, scales.beta_c)


def _baryon_transfer(k: Array, scales: _Eh98Scales) -> Array:
    """T_b(k) (EH98, eqs. 21-24)."""
    ks = k * scales.s
    s_tilde = scales.s / np.cbrt(1 + (scales.beta_node / ks) ** 3)
    smooth = _pressureless(k, scales.k_eq, 1.0, 1.0) / (1 + (ks / 5.2) ** 2)
    waves = scales.alpha_b / (1 + (scales.beta_b / ks) ** 3) * np.exp(-((k / scales.k_silk) ** 1.4))
    return (smooth + waves) * np.sinc(k * s_tilde / np.pi)
