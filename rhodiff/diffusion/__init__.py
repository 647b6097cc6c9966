"""Noise levels, formulations with their losses and denoisers, and samplers."""

from rhodiff.diffusion.build import build_formulation, restore_formulation
from rhodiff.diffusion.denoising import noise_ladder, posterior_mean, sample_posterior
from rhodiff.diffusion.formulation import Denoiser, Formulation
from rhodiff.diffusion.gaussian_bias import power_bias
from rhodiff.diffusion.guidance import guide, without_parameters
from rhodiff.diffusion.sampling import SAMPLERS, integrate, sample
from rhodiff.diffusion.schedules import NoiseRange, noise_range

__all__ = [
    "SAMPLERS",
    "Denoiser",
    "Formulation",
    "NoiseRange",
    "build_formulation",
    "guide",
    "integrate",
    "noise_ladder",
    "noise_range",
    "posterior_mean",
    "power_bias",
    "restore_formulation",
    "sample",
    "sample_posterior",
    "without_parameters",
]
