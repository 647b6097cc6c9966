"""Sheets of fields: reference above generated, steps of a sampling trajectory, or any fields of a store.

All panels of a sheet share one scale, fixed by the reference (by the last step of a trajectory): its central 99.8 per
cent of values, so that a few extreme cells do not flatten the rest; what lies outside takes the end colours, as the
pointed ends of the colour bar say. Curves are never cut off: their axes span all of them. In 2D the first axis of a
field points right, the second up. Volumes are shown as slices across their last axis, at a quarter and at half of its
depth: one plane alone can miss a field that is odd about the centre.

Axes: ``fields [field, *space]`` of one channel, ``trajectory [field, step, *space]``.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.report.panels import Panel, Row, Scale, draw_grid
from rhodiff.store.spec import FieldSpec

__all__ = ["data_sheet", "middle_plane", "sample_sheet", "trajectory_figure"]

Fields = NDArray[Any]


def sample_sheet(
    reference: Fields,
    generated: Fields,
    spec: FieldSpec,
    *,
    labels: tuple[str, str] = ("reference", "generated"),
    num_columns: int = 6,
    num_rows: int = 2,
) -> Figure:
    """Reference fields above generated ones on one scale; the first of each set, none chosen.

    Args:
        reference: ``[field, *space]``; more than are shown make the scale that of the set, not of a few fields.
        generated: ``[field, *space]``.
        spec: geometry and units.
        labels: names of the two sets.
        num_columns: panels side by side, at most; at most three for curves.
        num_rows: rows for each set; a volume takes two, whatever this says.

    Raises:
        DataError: if the fields do not fit the spec, or a set is empty.
    """
    rows = _rows(reference, spec, labels[0], num_columns, num_rows)
    rows += _rows(generated, spec, labels[1], num_columns, num_rows)
    return draw_grid(rows, spec, _scale(rows, reference))


def data_sheet(
    fields: Fields, spec: FieldSpec, *, captions: Sequence[str] = (), num_columns: int = 6, num_rows: int = 4
) -> Figure:
    """The first fields of a store on one scale.

    Args:
        fields: ``[field, *space]``.
        spec: geometry and units.
        captions: one for each of the first fields, e.g. its parameters.
        num_columns: panels side by side, at most; at most three for curves.
        num_rows: rows, at most; a volume takes two.

    Raises:
        DataError: if the fields do not fit the spec, or there are none.
    """
    rows = _rows(fields, spec, "", num_columns, num_rows, captions)
    return draw_grid(rows, spec, _scale(rows, fields))


def trajectory_figure(
    trajectory: Fields, spec: FieldSpec, *, noise_levels: Sequence[float], num_rows: int = 4, num_columns: int = 6
) -> Figure:
    """Denoised estimates along the sampling, one row a sample, noise falling to the right.

    Args:
        trajectory: ``[field, step, *space]``, in the order of the sampling.
        spec: geometry and units.
        noise_levels: sigma of each step, in units of what the network sees, ``[step]``.
        num_rows: samples, at most.
        num_columns: steps, at most; evenly taken, the first and last always.

    Raises:
        DataError: if the shapes do not agree.
    """
    if trajectory.ndim != spec.ndim + 2 or trajectory.shape[1] != len(noise_levels):
        raise DataError(
            f"a trajectory is [field, step, *space], here [..., {len(noise_levels)}, *{spec.shape}]; "
            f"got shape {trajectory.shape}"
        )
    _check(trajectory[:, -1], spec)
    columns = min(num_columns, len(noise_levels))
    steps = [round(i * (len(noise_levels) - 1) / max(columns - 1, 1)) for i in range(columns)]
    rows = []
    for number, sample in enumerate(trajectory[:num_rows]):
        titles = [f"σ = {noise_levels[step]:.3g}" if number == 0 else "" for step in steps]
        panels = [Panel(middle_plane(sample[step]), title) for step, title in zip(steps, titles, strict=True)]
        rows.append(Row(f"sample {number}", tuple(panels)))
    return draw_grid(rows, spec, _scale(rows, trajectory[:, -1]))


def _scale(rows: Sequence[Row], reference: Fields) -> Scale:
    panels = [panel.values for row in rows for panel in row.panels]
    return Scale.spanning(*panels) if panels[0].ndim == 1 else Scale.of(reference)


def _rows(
    fields: Fields, spec: FieldSpec, name: str, num_columns: int, num_rows: int, captions: Sequence[str] = ()
) -> list[Row]:
    _check(fields, spec)
    titles = [*captions, *[""] * len(fields)]
    if spec.ndim == 3:
        depths = sorted({spec.shape[2] // 4, spec.shape[2] // 2})
        return [_slices(fields[:num_columns], titles if depth == depths[0] else [], name, depth) for depth in depths]
    columns = min(num_columns, 3) if spec.ndim == 1 else num_columns
    rows = []
    for start in range(0, min(len(fields), columns * num_rows), columns):
        shown = zip(fields[start : start + columns], titles[start : start + columns], strict=False)
        rows.append(Row(name, tuple(Panel(field, title) for field, title in shown)))
    return rows


def _slices(fields: Fields, titles: Sequence[str], name: str, depth: int) -> Row:
    panels = [Panel(field[:, :, depth], titles[i] if titles else "") for i, field in enumerate(fields)]
    return Row(f"{name}\nplane {depth + 1} of {fields.shape[-1]}".strip(), tuple(panels))


def middle_plane(field: Fields) -> Fields:
    """A field, or the slice of a volume a quarter deep."""
    return field[:, :, field.shape[2] // 4] if field.ndim == 3 else field


def _check(fields: Fields, spec: FieldSpec) -> None:
    if fields.shape[1:] != spec.shape or len(fields) == 0:
        raise DataError(f"a sheet needs fields [field, *space] with space {spec.shape}, got shape {fields.shape}")
