"""A smooth sky in closed form, without symmetry, and FITS files of it for tests."""

import numpy as np

SCALE = 256


def ebv(glon_deg, glat_deg):
    """E(B-V) in magnitudes, between 0.05 and 0.4; differs between l and -l, and between b and -b."""
    lon, lat = np.radians(glon_deg), np.radians(glat_deg)
    x, y, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    return 0.2 + 0.05 * x + 0.04 * y + 0.03 * z + 0.03 * x * y - 0.02 * y * z


def lambert_image(pole, scale=SCALE):
    """The sky on (2 scale)^2 pixels of the zenithal equal-area projection, x = rho cos l, y = -pole rho sin l."""
    offset = (np.arange(2 * scale) - (scale - 0.5)) / scale
    u, v = offset[None, :], -pole * offset[:, None]
    rho2 = np.minimum(u**2 + v**2, 2.0)
    return ebv(np.degrees(np.arctan2(v, u)), np.degrees(np.arcsin(pole * (1 - rho2)))).astype(np.float32)


def lambert_cards(pole, scale=SCALE):
    """Header of the SFD files, at another size."""
    return {"CRPIX1": scale + 0.5, "CRPIX2": scale + 0.5, "LAM_NSGP": pole, "LAM_SCAL": scale}


def wcs_cards(pole, scale=SCALE):
    """The same projection as a world coordinate system, as in the SFD files."""
    step = np.degrees(np.sqrt(2)) / scale
    return {
        "CRPIX1": scale + 0.5,
        "CRPIX2": scale + 0.5,
        "CTYPE1": "GLON-ZEA",
        "CTYPE2": "GLAT-ZEA",
        "CRVAL1": 90.0 * pole,
        "CRVAL2": 90.0 * pole,
        "CD1_1": -pole * step,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": pole * step,
        "LONPOLE": 180.0,
    }


def write_image(path, image, cards):
    """One FITS image with the given header cards."""
    from astropy.io import fits

    unit = fits.PrimaryHDU(image)
    unit.header.update(cards)
    unit.writeto(path)
    return path


def write_healpix(path, values, *, name="EBV", **cards):
    """One HEALPix binary table with the given header cards."""
    from astropy.io import fits

    unit = fits.BinTableHDU.from_columns([fits.Column(name=name, format="E", array=values)])
    unit.header.update(cards)
    unit.writeto(path)
    return path
