import numpy as np
import pytest
import torch

from rhodiff.config.model import Conditioning, PluginModel, UNetSettings
from rhodiff.errors import ConfigError
from rhodiff.models import ConditioningTable, build_model, count_parameters
from rhodiff.runtime.plugins import PLUGIN_GROUP
from rhodiff.store.spec import FieldSpec

PAPER_A = UNetSettings(
    width=64,
    multipliers=(1, 2, 4, 8),
    blocks=2,
    attention="linear",
    resample="conv4",
    modulation="shift",
    stem_kernel=7,
)


def spec_of(*shape, periodic=True, channels=1):
    return FieldSpec(
        name="density",
        channels=tuple(f"c{i}" for i in range(channels)),
        shape=shape,
        spacing=(1.0,) * len(shape),
        periodic=(periodic,) * len(shape) if isinstance(periodic, bool) else periodic,
    )


def small(**settings):
    return UNetSettings(
        **({"width": 16, "multipliers": (1, 2), "blocks": 1, "heads": 2, "head_channels": 8} | settings)
    )


def awake(model):
    """The model with its zero-initialised layers randomised, so that everything acts."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if not bool(parameter.any()):
                parameter.normal_(0, 0.1, generator=generator)
    return model


def evaluate(model, x, label=0.3, parameters=None):
    return model(x, torch.full((len(x),), label, dtype=x.dtype), parameters)


@pytest.mark.parametrize("stem_patch", [1, 2])
@pytest.mark.parametrize("skip", ["level", "block"])
@pytest.mark.parametrize("resample", ["pool", "conv4"])
@pytest.mark.parametrize(("shape", "periodic"), [((16,), True), ((8, 16), (True, False)), ((8, 8, 4), False)])
def test_the_output_has_the_shape_of_the_input(shape, periodic, resample, skip, stem_patch):
    settings = small(resample=resample, skip=skip, stem_patch=stem_patch, blocks=(2, 1), attention=("none", "linear"))
    model = awake(build_model(settings, spec_of(*shape, periodic=periodic, channels=2)))
    x = torch.randn(3, 2, *shape)
    out = evaluate(model, x)
    assert out.shape == x.shape
    assert not torch.allclose(out, evaluate(model, x, label=-0.3))


def test_an_untrained_network_returns_zero():
    model = build_model(small(), spec_of(8, 8))
    assert not bool(evaluate(model, torch.randn(2, 1, 8, 8)).any())


@pytest.mark.parametrize(
    "settings",
    [{"stem_patch": 2}, {"resample": "conv4"}, {"attention": "linear", "stem_kernel": 7}, {"skip": "block"}],
)
def test_periodic_networks_commute_with_translations_by_the_total_stride(settings):
    model = awake(build_model(small(multipliers=(1, 2, 2), **settings), spec_of(16, 24))).double()
    x = torch.randn(1, 1, 16, 24, dtype=torch.float64)
    shift = (model.total_stride, -model.total_stride)
    moved = evaluate(model, torch.roll(x, shift, dims=(2, 3)))
    torch.testing.assert_close(moved, torch.roll(evaluate(model, x), shift, dims=(2, 3)))


def test_padding_is_by_axis():
    model = awake(build_model(small(middle_attention="none"), spec_of(16, 16, periodic=(True, False)))).double()
    x = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    out = evaluate(model, x)
    for axis, commutes in ((2, True), (3, False)):
        moved = evaluate(model, torch.roll(x, 2, dims=axis))
        assert torch.allclose(moved, torch.roll(out, 2, dims=axis)) is commutes


def test_nothing_crosses_the_edge_of_a_zero_padded_axis():
    model = awake(build_model(small(multipliers=(1,), middle_attention="none"), spec_of(32, periodic=False))).double()
    x = torch.randn(1, 1, 32, dtype=torch.float64, requires_grad=True)
    stem = model.stem(x)
    (gradient,) = torch.autograd.grad(stem[0, :, 0].sum(), x)
    assert bool(gradient[0, 0, :2].all())
    assert not bool(gradient[0, 0, 2:].any())


@pytest.mark.parametrize(("padding", "wraps"), [("circular", True), ("zeros", False), ("auto", False)])
def test_padding_can_be_forced(padding, wraps):
    model = build_model(small(padding=padding), spec_of(8, 8, periodic=False))
    assert model.periodic == (wraps, wraps)


def test_checkpointing_gives_the_same_gradients():
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(0)
        model = awake(build_model(small(gradient_checkpointing=recompute, dropout=0.2), spec_of(8, 8)))
        torch.manual_seed(1)
        evaluate(model, torch.ones(2, 1, 8, 8)).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_checkpointing_keeps_fewer_activations():
    kept = []
    for recompute in (False, True):
        model = build_model(small(gradient_checkpointing=recompute, blocks=3), spec_of(16, 16))
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t):
            evaluate(model, torch.ones(2, 1, 16, 16))
        kept.append(sum(sizes))
    assert kept[1] < 0.5 * kept[0]


def test_parameters_change_the_output():
    settings = small(conditioning=Conditioning(parameters=("a", "b"), categorical=("b",)))
    table = ConditioningTable.fit(settings.conditioning, ("a", "b"), np.array([[1.0, 0.0], [2.0, 4.0]]))
    model = awake(build_model(settings, spec_of(8, 8), table))
    x = torch.randn(1, 1, 8, 8)
    outputs = [evaluate(model, x, parameters=torch.tensor([pair])) for pair in ([1.0, 0.0], [1.5, 0.0], [1.0, 4.0])]
    assert not torch.allclose(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])
    with pytest.raises(ConfigError, match=r"told \['a', 'b'\]"):
        evaluate(model, x)


def test_an_unconditional_network_takes_no_parameters():
    with pytest.raises(ConfigError, match="told no parameters"):
        evaluate(build_model(small(), spec_of(8, 8)), torch.randn(1, 1, 8, 8), parameters=torch.ones(1, 1))


def test_settings_and_table_must_agree():
    with pytest.raises(ConfigError, match="conditioning table has no parameters"):
        build_model(small(conditioning=Conditioning(parameters=("a",))), spec_of(8, 8))


@pytest.mark.parametrize(
    ("shape", "settings", "nearest"),
    [((50,), {"multipliers": (1, 1, 1, 1)}, r"\[\[48, 56\]\]"), ((8, 6), {"stem_patch": 2}, r"\[\[4, 8\]\]")],
)
def test_sizes_that_cannot_be_halved_are_refused_with_the_nearest(shape, settings, nearest):
    with pytest.raises(ConfigError, match=f"multiple of .*nearest sizes.*{nearest}"):
        build_model(small(**settings), spec_of(*shape))


def test_a_kernel_wider_than_the_field_is_refused():
    with pytest.raises(ConfigError, match="at least 3"):
        build_model(small(multipliers=(1,), stem_kernel=7), spec_of(2))


def test_paper_a_has_31_million_parameters():
    count = count_parameters(build_model(PAPER_A, spec_of(64, 64)))
    assert count == pytest.approx(31.2e6, rel=0.01)


def test_graded_blocks_are_few_where_cells_are_many():
    graded, listed = (
        build_model(small(multipliers=(1, 1, 2, 2), blocks=blocks), spec_of(16))
        for blocks in ("graded", (1, 1, 2, 3))
    )
    assert graded.state_dict().keys() == listed.state_dict().keys()


def test_a_state_dict_restores_the_function():
    model = awake(build_model(small(), spec_of(8, 8)))
    other = build_model(small(), spec_of(8, 8))
    other.load_state_dict(model.state_dict())
    x = torch.randn(1, 1, 8, 8)
    assert torch.equal(evaluate(model, x), evaluate(other, x))


class MakesWhatItIsTold:
    """A plug-in."""

    name, value = "mine", "a_package:build"

    def load(self):
        return lambda options, spec, table: options["make"](spec)


def test_plugins_are_built_from_the_entry_point(monkeypatch):
    def found(group):
        assert group == PLUGIN_GROUP
        return [MakesWhatItIsTold()]

    monkeypatch.setattr("rhodiff.runtime.plugins.entry_points", found)
    model = build_model(PluginModel(name="mine", options={"make": lambda spec: torch.nn.Identity()}), spec_of(7))
    assert isinstance(model, torch.nn.Identity)
    with pytest.raises(ConfigError, match="made a list"):
        build_model(PluginModel(name="mine", options={"make": lambda spec: []}), spec_of(7))
    with pytest.raises(ConfigError, match=r"plug-in 'other' is not installed.*installed: mine"):
        build_model(PluginModel(name="other"), spec_of(7))


def test_a_network_that_is_shown_coordinates_can_tell_places_apart_and_one_without_cannot():
    inner = slice(24, 40)  # away from the edges, which zero padding shows to any network
    for coordinates, differs in ((0, False), (3, True)):
        model = awake(
            build_model(small(coordinates=coordinates, middle_attention="none"), spec_of(64, periodic=False))
        )
        x, label = torch.zeros(1, 1, 64), torch.zeros(1)
        out = model(x, label)[0, 0, inner]
        steps = out[model.total_stride :] - out[: -model.total_stride]
        assert (steps.abs().max() > 1e-4) == differs


def test_coordinates_are_shown_along_axes_that_do_not_wrap_alone():
    model = awake(build_model(small(coordinates=2), spec_of(8, 16, periodic=(True, False))))
    x, label = torch.randn(1, 1, 8, 16), torch.zeros(1)
    shift = model.total_stride
    rolled = model(x.roll(shift, 2), label)
    assert torch.allclose(rolled, model(x, label).roll(shift, 2), atol=1e-5)
    assert not torch.allclose(model(x.roll(shift, 3), label), model(x, label).roll(shift, 3), atol=1e-3)


def test_coordinates_of_a_field_that_wraps_everywhere_are_refused():
    with pytest.raises(ConfigError, match="no place is special"):
        build_model(small(coordinates=2), spec_of(16, 16))
