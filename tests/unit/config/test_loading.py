"""From YAML to an experiment: what is understood, what is refused, and that the refusal helps."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rhodiff.config.loading import apply_overrides, dump_experiment, load_experiment, parse_experiment, read_yaml
from rhodiff.errors import ConfigError

SMALL = "name: small\ndata: {source: {kind: harmonics}}\n"
COSMIC = "name: c\ndata: {source: {kind: cosmic_web, %s}}\n"


@pytest.fixture
def load(tmp_path):
    def from_text(text, *overrides):
        path = tmp_path / "rhodiff.yaml"
        path.write_text(text)
        return load_experiment(path, overrides)

    return from_text


def test_a_minimal_experiment_has_defaults_for_all_the_rest(load):
    experiment = load(SMALL)
    assert experiment.name == "small"
    assert experiment.model.kind == "unet"
    assert experiment.diffusion.kind == "edm"
    assert experiment.data.split.train == 0.7


def test_model_and_diffusion_may_leave_out_the_kind_of_their_default(load):
    experiment = load(SMALL + "model: {width: 16}\ndiffusion: {sigma_max: 5}\n")
    assert (experiment.model.width, experiment.diffusion.sigma_max) == (16, 5.0)


def test_numbers_in_exponent_form_are_numbers(load):
    """YAML 1.1 takes 1e-4 without a point for a word."""
    assert load(SMALL + "training: {optimizer: {learning_rate: 1e-4}}\n").training.optimizer.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("text", "path", "parts"),
    [
        (SMALL + "training: {iteration: 5}\n", "training.iteration:", ["unknown key", "did you mean 'iterations'"]),
        (SMALL + "seeed: 5\n", "seeed:", ["did you mean 'seed'"]),
        (
            SMALL + "training: {optimizer: {learningrate: 1}}\n",
            "training.optimizer.learningrate:",
            ["'learning_rate'"],
        ),
        (
            "name: a\ndata: {source: {kind: harmonics, max_degre: 3}}\n",
            "data.source.max_degre:",
            ["'max_degree'", "form"],
        ),
        (
            SMALL + "fields: {transform: [{kind: standardise}, {kind: log10, flor: 1}]}\n",
            "fields.transform.1.flor:",
            ["did you mean 'floor'"],
        ),
        (SMALL + "training: {iterations: ten}\n", "training.iterations:", ["'ten'", "integer", "Optimizer steps"]),
        (SMALL + "training: {batch_size: 0}\n", "training.batch_size:", ["got 0", "greater than or equal to 1"]),
        (SMALL + "diffusion: {sigma_min: .nan}\n", "diffusion.sigma_min:", ["nan", "finite"]),
        (SMALL + "seed: -1\n", "seed:", ["-1"]),
        (SMALL + "runtime: {device: gpu}\n", "runtime.device:", ["'gpu'", "'cuda'"]),
        (SMALL + "model: {attention: ful}\n", "model.attention:", ["'ful'", "'full'", "list"]),
        (SMALL + "model: {multipliers: [1, 0]}\n", "model.multipliers.1:", ["got 0"]),
        (SMALL + "model: {kind: vnet}\n", "model:", ["unknown kind 'vnet'", "did you mean 'unet'"]),
        ("name: a\ndata: {source: {kind: harmonic}}\n", "data.source:", ["did you mean 'harmonics'", "cosmic_web"]),
        ("name: a\ndata: {source: {size: 8}}\n", "data.source:", ["'kind' is missing", "harmonics"]),
        (SMALL + "fields: {transform: [{scale: 2}]}\n", "fields.transform.0:", ["'kind' is missing", "asinh"]),
        ("name: a\ndata: {}\n", "data.source:", ["missing", "Where the fields come from"]),
        ("data: {source: {kind: harmonics}}\n", "name:", ["missing"]),
        (COSMIC % "omega_m: {low: 0.1}", "data.source.omega_m.high:", ["missing", "Upper end"]),
        (COSMIC % "omega_m: yes", "data.source:", ["'omega_m'", "no switch"]),
        (SMALL + "training: 3\n", "training:", ["got 3"]),
        (SMALL + "1: 2\n", "1:", ["strings"]),
        (SMALL + "sampling: {conditions: [{l: 1}]}\n", "experiment:", ["no effect without model.conditioning"]),
        (
            SMALL + "evaluation: {space: physical}\nfields: {transform: [{kind: min_max, scope: image}]}\n",
            "experiment:",
            ["can be undone"],
        ),
        (
            SMALL + "evaluation: {space: [{kind: log10}]}\nfields: {transform: [{kind: min_max, scope: image}]}\n",
            "experiment:",
            ["can be undone"],
        ),
        (
            SMALL + "evaluation: {space: [{kind: min_max, scope: image}]}\n",
            "evaluation:",
            ["removes the scale of each field"],
        ),
        (SMALL + "training: {static_graph: true, micro_batch: 2}\n", "training:", ["does not go with micro_batch"]),
        (SMALL + "training: {bucket_mb: 0}\n", "training.bucket_mb:", ["0"]),
        (SMALL + "evaluation: {space: logarithmic}\n", "evaluation.space:", ["physical"]),
        (
            "name: a\ndata: {source: {kind: harmonics}, split: {train: 0.8, validation: 0.2, test: 0}}\n",
            "experiment:",
            ["evaluation.reference is 'test'"],
        ),
        ("name: a b\ndata: {source: {kind: harmonics}}\n", "name:", ["'a b'", "letters, digits"]),
    ],
)
def test_errors_name_the_key_path_the_value_and_what_is_allowed(load, text, path, parts):
    with pytest.raises(ConfigError) as caught:
        load(text)
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    (line,) = [line for line in lines if line.startswith(path)]
    for part in parts:
        assert part in line


def test_all_errors_are_told_at_once(load):
    with pytest.raises(ConfigError) as caught:
        load(SMALL + "seed: -1\ntraining: {iterations: 0, batch: 3}\nmodel: {width: 2}\n")
    for path in ("seed:", "training.iterations:", "training.batch:", "model.width:"):
        assert f"\n  {path}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: a\nname: b\n", "'name' is given twice.*line 2"),
        ("a: {b: 1, c: {d: 1, d: 2}}\n", "'d' is given twice"),
        ("{", "not valid YAML"),
        ("a: *b\n", "undefined alias"),
        ("? [a]\n: 1\n", "a key must be a word"),
        ("a: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("", "mapping of sections, got NoneType"),
        ("[1]", "mapping of sections, got list"),
        ("\x01", "not valid YAML"),
    ],
)
def test_what_is_no_mapping_of_sections_is_refused(load, text, reason):
    with pytest.raises(ConfigError, match=reason):
        load(text)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match=r"no experiment file .*none\.yaml.*rhodiff-hpc init"):
        load_experiment(tmp_path / "none.yaml")


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe4")
    for path in (tmp_path, tmp_path / "latin.yaml"):
        with pytest.raises(ConfigError, match="cannot read"):
            load_experiment(path)


def test_overrides_set_nested_keys_and_list_entries(load):
    text = SMALL + "sampling: {samplers: [heun, ddim]}\nfields: {transform: [{kind: log10}]}\n"
    experiment = load(
        text,
        "training.iterations=7",
        "sampling.samplers.1=dpmpp_2m",
        "fields.transform.0.floor=1e-3",
        "data.split={train: 0.5, validation: 0.25, test: 0.25}",
        "report.title=a = b",
    )
    assert experiment.training.iterations == 7
    assert experiment.sampling.samplers == ("heun", "dpmpp_2m")
    assert experiment.fields.transform[0].floor == 1e-3
    assert experiment.data.split.train == 0.5
    assert experiment.report.title == "a = b"


def test_later_overrides_win_and_the_settings_handed_in_stay_as_they_are():
    given = {"a": {"b": 1}, "list": [{"c": 1}]}
    changed = apply_overrides(given, ["a.b=2", "a.b=3", "list.0.c=4", "new.key=5"])
    assert changed == {"a": {"b": 3}, "list": [{"c": 4}], "new": {"key": 5}}
    assert given == {"a": {"b": 1}, "list": [{"c": 1}]}


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("seed", "write key.path=value"),
        ("=3", "write key.path=value"),
        ("seed=[1", "--set seed is not valid YAML"),
        ("sampling.samplers.2=x", "'2' is no index of a list of 2"),
        ("sampling.samplers.-1=x", "no index"),
        ("sampling.samplers.²=x", "no index"),
        ("sampling.samplers.first=x", "no index"),
        ("sampling.sampler=x", "did you mean 'samplers'"),
        ("training..iterations=3", "unknown key"),
        ("name.x=3", "name: should be a valid string"),
        ("seed={a: 1, a: 2}", "given twice"),
    ],
)
def test_overrides_that_mean_nothing_are_refused(load, override, reason):
    with pytest.raises(ConfigError, match=reason):
        load(SMALL + "sampling: {samplers: [heun, ddim]}\n", override)


RICH = {
    "name": "rich-1.0_x",
    "seed": 2**62,
    "data": {
        "source": {
            "kind": "arrays",
            "fields": "folder/ü.npy",
            "parameters": "p.csv",
            "parameter_units": {"a": "km/s", "yes": "1"},
            "spacing": [0.1, 1e-9],
            "periodic": [True, False],
        },
        "split": {"train": 0.6, "validation": 0.4, "test": 0.0, "shuffle": False},
        "compression": "zstd",
    },
    "fields": {
        "transform": [{"kind": "asinh", "scale": 0.1}, {"kind": "min_max"}],
        "augmentation": ["dihedral", "periodic_shift"],
    },
    "model": {
        "multipliers": [1, 2],
        "attention": ["none", "full"],
        "conditioning": {"parameters": ["a", "b"], "categorical": ["b"]},
    },
    "diffusion": {"kind": "ddpm", "schedule": "cosine"},
    "sampling": {"conditions": [{"a": 1e-7, "b": 3}], "checkpoints": [5, 10]},
    "evaluation": {
        "reference": "validation",
        "statistics": [{"kind": "power_spectrum", "bin_edges": [0, 0.1]}, {"kind": "plugin", "name": "x"}],
    },
    "paths": {"data": "/abs/data"},
}


def test_a_dumped_experiment_loads_as_the_same():
    experiment = parse_experiment(RICH, "test")
    text = dump_experiment(experiment)
    assert parse_experiment(read_yaml(text, "dump"), "dump") == experiment
    assert "training:" in text


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"), max_size=40)
"""PyYAML folds the three rare line breaks; all else it keeps."""


@settings(deadline=None, max_examples=50)
@given(
    title=TEXT,
    rate=st.floats(min_value=1e-300, max_value=1e300),
    options=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
        lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXT, children, max_size=3),
        max_leaves=5,
    ),
)
def test_any_text_and_number_survives_the_way_through_yaml(title, rate, options):
    experiment = parse_experiment(
        {
            "name": "a",
            "data": {"source": {"kind": "plugin", "name": "x", "options": {"value": options}}},
            "report": {"title": title},
            "training": {"optimizer": {"learning_rate": rate}},
        },
        "test",
    )
    assert parse_experiment(yaml.safe_load(dump_experiment(experiment)), "dump") == experiment
