"""Patches of interstellar dust extinction E(B-V), cut from the SFD map for diffusion models as in paper A.

A patch is a gnomonic projection (:mod:`rhodiff.sources.sky_patches`) of a full-sky map
(:mod:`rhodiff.sources.sky_maps`). Fields are ordered by Galactic longitude; the split gives whole ranges of longitude
to its parts and leaves out every patch that would share sky with a patch of another part, so that what is tested was
never seen. The fields are the map's E(B-V) itself, in magnitudes; pixels finer than the map's resolution only
interpolate it.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.fields import Split
from rhodiff.config.sources import DustSource
from rhodiff.errors import DataError
from rhodiff.sources.sky_maps import open_sky_map
from rhodiff.sources.sky_patches import lay_centres, near_any, nearest, patch_directions, patch_radius_deg
from rhodiff.sources.source import EXCLUDED, TEST, TRAIN, VALIDATION, FieldBatch, Source, split_groups
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["NUM_SECTORS", "Dust"]

NUM_SECTORS = 36
"""Sectors of Galactic longitude (10 deg each) that a split hands out."""
PURPOSE_POSITION_ANGLE = 0x616E676C65
"""Second key word of the random stream of position angles."""


class Dust(Source):
    """Gnomonic patches of an E(B-V) map.

    Args:
        settings: the section ``dust``.
        folder: folder of the experiment file; paths are relative to it.

    Raises:
        DataError: if a map file is not what it should be, or no patch passes the cuts.
        EnvironmentLacksError: if an optional package is not installed.
    """

    def __init__(self, settings: DustSource, folder: Path) -> None:
        self._settings = settings
        self._map = open_sky_map(settings, folder)
        spacing_deg = settings.spacing_pixels * settings.pixel_scale_arcmin / 60.0
        self._centres = lay_centres(spacing_deg, settings.min_abs_latitude_deg)
        self._angles = _draw_position_angles(settings, len(self._centres))
        if settings.max_ebv_mag is not None:
            self._keep_transparent(settings.max_ebv_mag)

    @property
    def spec(self) -> FieldSpec:
        """E(B-V) in magnitudes on a square of ``size`` pixels, spacing in degrees, not periodic."""
        size, scale = self._settings.size, self._settings.pixel_scale_arcmin / 60.0
        return FieldSpec(
            name="E(B-V)",
            unit="mag",
            shape=(size, size),
            spacing=(scale, scale),
            length_unit="deg",
            periodic=(False, False),
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Where the patch lies, how it is turned, and its mean extinction."""
        return (
            Parameter(name="glon_deg", unit="deg"),
            Parameter(name="glat_deg", unit="deg"),
            Parameter(name="position_angle_deg", unit="deg"),
            Parameter(name="mean_ebv_mag", unit="mag"),
        )

    @property
    def num_fields(self) -> int:
        """Patches that passed the cuts."""
        return len(self._centres)

    @property
    def input_files(self) -> tuple[Path, ...]:
        """The files of the map."""
        return self._map.files

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """References and conventions."""
        return {
            "reference": "Schlegel, Finkbeiner & Davis 1998, ApJ 500, 525; no recalibration (x 0.86) applied",
            "projection": "gnomonic (TAN), bilinear interpolation",
            "orientation": "rows towards position_angle_deg east of Galactic north; at 0: row up north, column west",
            "map_resolution_arcmin": 60.0 * self._map.resolution_deg,
            "split_rule": f"{NUM_SECTORS} longitude sectors; of patches of two parts that lie closer than "
            f"{self._exclusion_deg():.3g} deg one is left out",
        }

    def groups(self) -> NDArray[np.int64]:
        """Block of sky of each patch: the nearest of centres that lie one patch diagonal apart.

        Patches that overlap are not independent; blocks as wide as a patch very nearly are, and errors are made from
        them. Parts of a split are kept apart by distance, not by block: a block may reach into two of them.
        """
        diagonal = 2 * patch_radius_deg(self._settings.size, self._settings.pixel_scale_arcmin)
        return nearest(self._centres, lay_centres(diagonal, self._settings.min_abs_latitude_deg))

    def _sectors(self) -> NDArray[np.int64]:
        """Sector of Galactic longitude of each patch, 10 deg each."""
        return (self._centres[:, 0] * (NUM_SECTORS / 360.0)).astype(np.int64)

    def assign_split(self, split: Split) -> NDArray[np.int8]:
        """Ranges of longitude to the parts, and no sky shared between parts.

        The parts take contiguous ranges of sectors in the order train, validation, test. With ``split.shuffle`` the
        first range begins at a sector drawn from ``split.seed``, else at longitude zero; the sectors themselves are
        not shuffled, which would leave few patches far enough from every border. Two patches may share sky where
        their centres are closer than the diagonal of a patch plus two map pixels (interpolation). Of such a pair in
        different parts the one in the larger part is excluded: test stays whole, validation yields to test, training
        to both.

        Args:
            split: shares and order.

        Returns:
            int8 ``[sample]`` of part codes.

        Raises:
            DataError: if a part that was asked for is left without patches.
        """
        first = (
            int(np.random.Generator(np.random.Philox(key=split.seed)).integers(NUM_SECTORS)) if split.shuffle else 0
        )
        sectors = (self._sectors() - first) % NUM_SECTORS
        codes = split_groups(sectors, split.model_copy(update={"shuffle": False}))
        for part, stronger in ((VALIDATION, (TEST,)), (TRAIN, (TEST, VALIDATION))):
            others = self._centres[np.isin(codes, stronger)]
            members = np.flatnonzero(codes == part)
            shared = near_any(self._centres[members], others, self._exclusion_deg())
            codes[members[shared]] = EXCLUDED
        self._check_parts(codes, split)
        return codes

    def make(self, start: int, stop: int) -> FieldBatch:
        """The patches with indices ``start <= i < stop`` (see the base class)."""
        assert 0 <= start <= stop <= self.num_fields, f"range {start}:{stop} of {self.num_fields} patches"
        size = self._settings.size
        fields = np.empty((stop - start, 1, size, size), dtype=np.float32)
        means = np.empty(stop - start)
        for row, index in enumerate(range(start, stop)):
            patch = self._patch(index)
            fields[row, 0], means[row] = patch, patch.mean()
        parameters = np.column_stack([self._centres[start:stop], self._angles[start:stop], means])
        return FieldBatch(fields, parameters, np.ones(stop - start, dtype=np.bool_))

    def _patch(self, index: int) -> NDArray[np.float64]:
        settings = self._settings
        angle = float(self._angles[index])
        return self._map.values(
            *patch_directions(self._centres[index], angle, settings.size, settings.pixel_scale_arcmin)
        )

    def _keep_transparent(self, max_ebv_mag: float) -> None:
        means = np.array([self._patch(index).mean() for index in range(len(self._centres))])
        keep = means <= max_ebv_mag
        if not keep.any():
            raise DataError(
                f"data.source.max_ebv_mag is {max_ebv_mag} mag but the most transparent of {len(means)} patches has "
                f"a mean of {means.min():.4g} mag: raise it, or set it to null"
            )
        self._centres, self._angles = self._centres[keep], self._angles[keep]

    def _exclusion_deg(self) -> float:
        radius = patch_radius_deg(self._settings.size, self._settings.pixel_scale_arcmin)
        return 2.0 * (radius + self._map.resolution_deg)

    def _check_parts(self, codes: NDArray[np.int8], split: Split) -> None:
        shares = {
            "train": (TRAIN, split.train),
            "validation": (VALIDATION, split.validation),
            "test": (TEST, split.test),
        }
        for name, (part, share) in shares.items():
            if share > 0 and not np.any(codes == part):
                raise DataError(
                    f"no dust patch is left for data.split.{name} = {share}: patches of other parts lie within "
                    f"{self._exclusion_deg():.1f} deg of all of them; make patches smaller (size x "
                    "pixel_scale_arcmin), raise the share, or set it to 0"
                )


def _draw_position_angles(settings: DustSource, count: int) -> NDArray[np.float64]:
    """Degrees ``[count]``; the angle of a patch depends on the seed and its place in the uncut layout alone."""
    if not settings.rotate:
        return np.zeros(count)
    key = np.array([settings.seed, PURPOSE_POSITION_ANGLE], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(count) * 360.0
