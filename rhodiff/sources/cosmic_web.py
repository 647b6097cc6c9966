"""Dark-matter density of the cosmic web, from a linear spectrum and Lagrangian perturbation theory.

For each parameter vector a Gaussian field with the linear spectrum of :mod:`rhodiff.sources.cosmology` moves
particles (:mod:`rhodiff.sources.lpt`), whose mass is assigned to cells (:mod:`rhodiff.sources.mass_assignment`).
Fields are rho / mean rho, the mean being that of the universe, so a slab's own mean scatters around 1. Axes: 3D
``[x, y, z]``; 2D the two axes of the box that are not projected, in this order. This replaces no N-body simulation:
structure below a few Mpc/h is too diffuse, and there are no baryons.

Order of the fields: parameter vector, box, then (2D) projected axis, slab. Slabs of one box and of different axes see
the same matter, hence they share a group, which a split keeps together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from rhodiff.config.ranges import ParameterRange
from rhodiff.config.sources import CosmicWebSource
from rhodiff.sources.cosmology import CMB_TEMPERATURE_K, Cosmology, linear_power
from rhodiff.sources.gaussian_field import linear_modes, modes_to_field, white_noise
from rhodiff.sources.lpt import (
    lattice_positions,
    second_order_displacement,
    second_order_ratio,
    zeldovich_displacement,
)
from rhodiff.sources.mass_assignment import assign_mass
from rhodiff.sources.source import FieldBatch, Source
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["CosmicWeb"]

Array = NDArray[np.float64]

SYMBOLS = {"omega_m": "Omega_m", "sigma_8": "sigma_8", "n_s": "n_s", "h": "h", "omega_b": "Omega_b"}
"""Name of each setting as a parameter, in the order of the parameter table."""
ALWAYS_PARAMETERS = ("omega_m", "sigma_8")
"""Columns of the parameter table even where their range is a point."""
PURPOSE_PARAMETERS = 0x706172616D73
"""Second word of the seed of the parameter vectors."""


@dataclass(frozen=True)
class _Place:
    """Where a field comes from: its parameter vector, its box (over all vectors), the projected axis and slab."""

    vector: int
    box: int
    axis: int
    slab: int


class CosmicWeb(Source):
    """Fields of rho / mean rho with their cosmological parameters.

    The last box that was made is kept, because consecutive fields are slabs of the same one.

    Args:
        settings: the section ``cosmic_web``.
        folder: unused; there are no input files.
    """

    def __init__(self, settings: CosmicWebSource, folder: Path) -> None:
        self._settings = settings
        self._vectors = _draw_vectors(settings)
        self._last_box: tuple[int, Array] | None = None

    @property
    def spec(self) -> FieldSpec:
        """Matter density rho / mean rho, dimensionless, spacing in comoving Mpc/h, periodic."""
        settings = self._settings
        return FieldSpec(
            name="rho / mean rho",
            shape=(settings.size,) * settings.ndim,
            spacing=(settings.box_size_mpc_h / settings.size,) * settings.ndim,
            length_unit="Mpc/h",
            periodic=(True,) * settings.ndim,
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Omega_m, sigma_8, and of n_s, h, Omega_b those that vary."""
        return tuple(Parameter(name=SYMBOLS[name]) for name in self._columns())

    @property
    def num_fields(self) -> int:
        """Parameter vectors times fields for each."""
        return self._settings.num_vectors * self._settings.fields_per_vector

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """References, conventions, and the parameters that do not vary."""
        settings = self._settings
        ranges = _ranges(settings)
        facts: dict[str, str | int | float] = {
            "linear_spectrum": "Eisenstein & Hu 1998, ApJ 496, 605, with baryon oscillations; flat LambdaCDM",
            "cmb_temperature_k": CMB_TEMPERATURE_K,
            "order": settings.order,
            "redshift": settings.redshift,
            "empty_cell_floor": settings.empty_cell_floor,
        }
        if settings.order != "linear":
            facts["mass_assignment"] = f"{settings.assignment}, window not divided out"
            facts["num_particles"] = self._mesh_size() ** 3
        if settings.ndim == 2:
            facts["slab_thickness_mpc_h"] = self._slab_thickness()
        facts |= {SYMBOLS[name]: ranges[name].low for name in SYMBOLS if name not in self._columns()}
        return facts

    def groups(self) -> NDArray[np.int64]:
        """Parameter vector of each field; its box where there is only one vector or nothing varies."""
        places = [self._place(index) for index in range(self.num_fields)]
        if self._settings.num_vectors == 1 or not _varying(self._settings):
            return np.array([place.box for place in places], dtype=np.int64)
        return np.array([place.vector for place in places], dtype=np.int64)

    def make(self, start: int, stop: int) -> FieldBatch:
        """The fields with indices ``start <= i < stop`` (see the base class)."""
        assert 0 <= start <= stop <= self.num_fields, f"range {start}:{stop} of {self.num_fields} fields"
        fields = np.empty((stop - start, *self.spec.field_shape), dtype=np.float32)
        columns = [list(SYMBOLS).index(name) for name in self._columns()]
        vectors = []
        for row, index in enumerate(range(start, stop)):
            place = self._place(index)
            fields[row, 0] = self._field(place) + self._settings.empty_cell_floor
            vectors.append(self._vectors[place.vector, columns])
        parameters = np.array(vectors).reshape(stop - start, len(columns))
        return FieldBatch(fields, parameters, np.ones(stop - start, dtype=np.bool_))

    def _columns(self) -> tuple[str, ...]:
        varying = _varying(self._settings)
        return tuple(name for name in SYMBOLS if name in ALWAYS_PARAMETERS or name in varying)

    def _mesh_size(self) -> int:
        """Points along an axis of the mesh of the linear field, and particles."""
        return self._settings.particles or self._settings.size

    def _slab_thickness(self) -> float:
        return self._settings.slab_thickness_mpc_h or self._settings.box_size_mpc_h / 4

    def _slabs_per_axis(self) -> int:
        # a thickness that divides the box may fall short of it by rounding
        return int(self._settings.box_size_mpc_h / self._slab_thickness() + 1e-9)

    def _place(self, index: int) -> _Place:
        per_vector = self._settings.fields_per_vector
        per_axis = self._slabs_per_axis() if self._settings.ndim == 2 else 1
        per_box = 3 * per_axis if self._settings.ndim == 2 else 1
        vector, field = divmod(index, per_vector)
        box, part = divmod(field, per_box)
        return _Place(vector, vector * -(-per_vector // per_box) + box, *divmod(part, per_axis))

    def _field(self, place: _Place) -> Array:
        box = self._box(place)
        if self._settings.order == "linear":
            return self._linear_slab(box, place) if self._settings.ndim == 2 else box
        return self._particle_slab(box, place) if self._settings.ndim == 2 else self._particle_grid(box)

    def _box(self, place: _Place) -> Array:
        """1 + delta ``[x, y, z]`` for order linear, else particle positions ``[axis, particle]``."""
        if self._last_box is None or self._last_box[0] != place.box:
            cosmology = Cosmology(**dict(zip(SYMBOLS, self._vectors[place.vector].tolist(), strict=True)))
            self._last_box = (place.box, self._make_box(cosmology, place.box))
        return self._last_box[1]

    def _make_box(self, cosmology: Cosmology, box: int) -> Array:
        settings = self._settings
        length = settings.box_size_mpc_h
        power = partial(linear_power, cosmology=cosmology, redshift=settings.redshift)
        modes = linear_modes(white_noise(self._mesh_size(), settings.seed, box), power, length)
        if settings.order == "linear":
            return 1.0 + modes_to_field(modes)
        displacement = zeldovich_displacement(modes, length)
        if settings.order == "2lpt":
            ratio = second_order_ratio(cosmology, settings.redshift)
            displacement += second_order_displacement(modes, length, ratio)
        return lattice_positions(displacement, length)

    def _linear_slab(self, density: Array, place: _Place) -> Array:
        """Mean along the axis through the slab; cells that the slab cuts count with the share inside."""
        edges = np.linspace(0.0, self._settings.box_size_mpc_h, self._settings.size + 1)
        low = place.slab * self._slab_thickness()
        inside = np.diff(np.clip(edges, low, low + self._slab_thickness()))
        return np.asarray(np.tensordot(inside / inside.sum(), density, axes=(0, place.axis)))

    def _particle_slab(self, positions: Array, place: _Place) -> Array:
        """Surface density of the particles inside the slab over its cosmic mean."""
        settings = self._settings
        low = place.slab * self._slab_thickness()
        depth = positions[place.axis]
        inside = (depth >= low) & (depth < low + self._slab_thickness())
        plane = np.delete(positions, place.axis, axis=0)[:, inside]
        mass = assign_mass(plane, settings.size, settings.box_size_mpc_h, settings.assignment)
        expected = positions.shape[1] * self._slab_thickness() / settings.box_size_mpc_h
        mass *= settings.size**2 / expected
        return mass

    def _particle_grid(self, positions: Array) -> Array:
        settings = self._settings
        mass = assign_mass(positions, settings.size, settings.box_size_mpc_h, settings.assignment)
        mass *= settings.size**3 / positions.shape[1]
        return mass


def _ranges(settings: CosmicWebSource) -> dict[str, ParameterRange]:
    return {name: getattr(settings, name) for name in SYMBOLS}


def _varying(settings: CosmicWebSource) -> tuple[str, ...]:
    return tuple(name for name, span in _ranges(settings).items() if span.high > span.low)


def _draw_vectors(settings: CosmicWebSource) -> Array:
    """Latin hypercube over the ranges that are no points, ``[vector, parameter]`` in the order of SYMBOLS."""
    ranges, varying = _ranges(settings), _varying(settings)
    vectors = np.tile([span.low for span in ranges.values()], (settings.num_vectors, 1))
    if varying:
        # scipy spawns a child stream, which needs a SeedSequence in place of a bare key
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([settings.seed, PURPOSE_PARAMETERS])))
        shares = qmc.LatinHypercube(len(varying), rng=generator).random(settings.num_vectors)
        for column, name in enumerate(varying):
            span = ranges[name]
            vectors[:, list(SYMBOLS).index(name)] = span.low + shares[:, column] * (span.high - span.low)
    return vectors
