"""From stored fields to what a network sees: invertible transforms, symmetries, spectra."""
