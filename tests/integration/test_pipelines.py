"""From data to a report that opens, for every kind of data: the shipped tiny experiments and a recipe of a paper."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from experiments import Lab, tiny_settings
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from rhodiff.config.loading import read_yaml
from rhodiff.config.shipped import read_shipped
from rhodiff.store.field_store import open_fields

SMALL = (
    "training.iterations=12",
    "training.checkpoint_every=6",
    "training.metrics_every=3",
    "model.width=8",
    "sampling.evaluations=[4]",
    "evaluation.bootstrap=100",
    "runtime.threads=1",
    "runtime.device=cpu",
)


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects what a reader would see and what would be loaded."""

    VOID = ("meta", "img", "br", "link", "input", "hr", "col", "source", "wbr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.text, self.loaded = [], [], "", []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src",) and value]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without <{tag}>"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def run_pipeline(lab: Lab, *, again: bool = False) -> Page:
    """The pipeline to its report, which must be whole and self-contained, and come out the same again."""
    ended = lab.do("run", "pipeline", "--json")
    assert "Traceback" not in ended.err
    value = ended.value
    assert value["schema"] == 1
    assert value["stage"] == "report"
    assert value["warnings"] == [] or all(isinstance(text, str) for text in value["warnings"])
    assert not again or lab.do("run", "report", "--json").value == value
    page = Page(Path(value["report"]).read_text())
    figures = {str(Path(path).relative_to(Path(value["report"]).parent)) for path in value["figures"]}
    assert all(address.startswith(("data:", "#")) for address in set(page.loaded) - figures), page.loaded
    assert figures <= set(page.loaded)
    assert all(Path(path).stat().st_size > 0 for path in value["figures"])
    assert page.tags.count("svg") + page.tags.count("img") >= 4
    assert "Traceback" not in page.text
    return page


def shipped(name: str, folder: Path, *overrides: str) -> Lab:
    return Lab.make(folder, read_yaml(read_shipped("configs", name), name), *SMALL, *overrides)


def test_arrays_in_one_dimension(tmp_path):
    lab = shipped("tiny_arrays", tmp_path, "sampling.num_samples=32", "sampling.shard_length=32")
    noise = np.random.default_rng(0).normal(size=(120, 64))
    np.save(tmp_path / "fields.npy", gaussian_filter1d(noise, 3, axis=1, mode="wrap"))
    page = run_pipeline(lab, again=True)
    assert "signal" in page.text
    assert "kpc" in page.text


@pytest.mark.slow
def test_cosmic_web_in_two_dimensions(tmp_path):
    small = ("data.source.size=16", "data.source.num_vectors=20", "data.source.fields_per_vector=3")
    page = run_pipeline(
        shipped(
            "tiny_cosmic_web",
            tmp_path,
            *small,
            "sampling.num_samples=16",
            "sampling.micro_batch=16",
            "sampling.shard_length=16",
        )
    )
    assert "Omega_m" in page.text


@pytest.mark.slow
def test_files_in_the_format_of_camels(tmp_path):
    generator = np.random.default_rng(0)
    maps = np.exp(gaussian_filter(generator.normal(size=(120, 32, 32)), (0, 2, 2), mode="wrap") * 5)
    np.save(tmp_path / "maps.npy", maps.astype(np.float32))
    np.savetxt(tmp_path / "params.txt", generator.uniform(0.1, 0.5, (40, 6)))
    small = ("sampling.num_samples=18", "sampling.micro_batch=18", "sampling.shard_length=18")
    page = run_pipeline(shipped("tiny_camels", tmp_path, *small))
    assert "Mcdm" in page.text


@pytest.mark.slow
def test_harmonics_in_three_dimensions_told_degree_and_order(tmp_path):
    small = ("sampling.num_samples=16", "sampling.shard_length=16", "sampling.trajectory=3")
    conditions = "sampling.conditions=[{l: 2, m: 1}, {l: 3, m: -2}]"
    lab = shipped("tiny_harmonics", tmp_path, *small, conditions)
    page = run_pipeline(lab)
    samples = sorted((lab.run_folder() / "samples").glob("*.zarr"))
    assert {tuple(open_fields(path).parameters[0]) for path in samples} == {(2.0, 1.0), (3.0, -2.0)}
    assert "l = 2, m = 1" in page.text


@pytest.mark.slow
def test_ddpm_of_fields_scaled_each_by_itself(tmp_path):
    """Paper A's recipe for dust: per-image min-max, DDPM with linear schedule, here in one dimension."""
    noise = np.random.default_rng(0).normal(size=(120, 32))
    np.save(tmp_path / "fields.npy", gaussian_filter1d(noise, 3, axis=1, mode="wrap").astype(np.float32))
    settings = tiny_settings(tmp_path / "fields.npy")
    settings["fields"]["transform"] = [{"kind": "min_max", "scope": "image"}]
    settings["diffusion"] = {"kind": "ddpm", "timesteps": 50}
    settings["sampling"] |= {"samplers": ["ddpm", "ddim"], "evaluations": [5, 50]}
    lab = Lab.make(tmp_path / "lab", settings)
    page = run_pipeline(lab)

    samples = [open_fields(path) for path in (lab.run_folder() / "samples").glob("*.zarr")]
    assert {(s.attributes["sampler"], s.attributes["evaluations"]) for s in samples} == {
        (sampler, evaluations) for sampler in ("ddpm", "ddim") for evaluations in (5, 50)
    }
    assert all(s.attributes["space"] == "comparison" for s in samples)
    assert "DDPM" in page.text


@pytest.mark.slow
def test_pipeline_of_two_local_processes(tmp_path):
    lab = shipped("tiny_harmonics", tmp_path, "sampling.num_samples=16", "sampling.shard_length=16")
    ended = lab.do("run", "pipeline", "--procs", "2", "--json")
    Page(Path(ended.value["report"]).read_text())
    assert ended.err.count("error:") == 0
