"""``bench sampler``: table, JSON and plot of one measurement."""

import pytest

WORDS = ("bench", "sampler", "--samplers", "ddim,heun", "--evaluations", "6,9")


def test_the_table_the_json_and_the_picture_are_there(call, folder):
    shown = call(*WORDS, "--power-law", "2", "--size", "16", "-o", "bias.png")
    assert shown.code == 0
    value = call(*WORDS, "--power-law", "2", "--size", "16", "--json").value
    assert [(one["sampler"], one["evaluations"]) for one in value["biases"]] == [
        ("ddim", 6),
        ("ddim", 9),
        ("heun", 5),
        ("heun", 9),
    ]
    for one in value["biases"]:
        assert f"{100 * one['worst']:.2f}" in shown.out
        assert f"{100 * one['mean']:.2f}" in shown.out
    assert "* heun made 5, 9" in shown.out
    assert "noise levels" in shown.out
    assert (folder / "bias.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / value["plot"]).exists()


def test_an_experiment_gives_its_own_spectrum(call, folder):
    assert "is not prepared" in call(*WORDS).err
    call("run", "prepare", "-q")
    value = call(*WORDS, "--json").value
    assert value["spectrum"].startswith("training fields of")
    (other, *_) = call(*WORDS, "--reference-factor", "1.5", "--json").value["biases"]
    assert other["worst"] != value["biases"][0]["worst"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--power-law", "2"], "needs --size"),
        (["--power-law", "2", "--size", "16", "--set", "seed=1"], "takes the place of an experiment"),
        (["--size", "16"], "belong to --power-law"),
        (["--power-law", "2", "--size", "16", "--evaluations", "5,many"], "no list of whole numbers"),
        (["--power-law", "2", "--size", "16", "--samplers", "dmim"], "names among ddpm"),
    ],
)
def test_options_that_do_not_fit_are_refused(call, folder, words, message):
    ended = call("bench", "sampler", *words)
    assert ended.code == 2
    assert message in ended.err
    assert not list(folder.glob("*.png"))


def test_scaling_is_told_as_a_table_and_as_json(call, folder):
    words = ("bench", "scaling", "--nodes", "1,2", "--repeats", "1", "--set", "model.width=8", "--set")
    words = (*words, "model.multipliers=[1, 2]", "--set", "training.batch_size=2", "--set", "runtime.threads=1")
    assert "is not prepared" in call(*words).err
    call("run", "prepare", "-q")
    value = call(*words, "--json").value
    assert [row["share"] for row in value["rows"]] == [2, 1]
    assert value["gradient_mb"] == pytest.approx(4 * value["parameters"] / 2**20)
    shown = call(*words)
    assert "efficiency" in shown.out
    assert f"{value['parameters'] / 1e6:.3g} million parameters" in shown.out
    assert "0 is not positive" in call(*words, "--nodes", "0,1").err
