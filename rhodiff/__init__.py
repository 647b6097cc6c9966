"""rhodiff: an HPC batch-workflow toolkit for diffusion models of physical fields and densities."""

__all__ = ["__version__"]

__version__ = "0.1.0"
