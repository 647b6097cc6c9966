"""One experiment: everything that ``rhodiff.yaml`` may say."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rhodiff.config.calibration import CalibrationSettings
from rhodiff.config.denoising import Denoising
from rhodiff.config.diffusion import DiffusionSettings, EdmSettings
from rhodiff.config.evaluation import Evaluation
from rhodiff.config.fields import Data, Fields, MinMax, Standardise
from rhodiff.config.harmonics_report import HarmonicsReport
from rhodiff.config.model import ModelSettings, PluginModel, UNetSettings
from rhodiff.config.resources import Jobs
from rhodiff.config.sampling import Sampling
from rhodiff.config.section import Section
from rhodiff.config.sequence import SequenceSettings
from rhodiff.config.spectral_lines import LinesSettings
from rhodiff.config.training import Training

__all__ = ["Experiment", "Paths", "Report", "Runtime"]


class Paths(Section):
    """Where things are written, relative to the folder of the experiment file."""

    data: Path = Path("data")
    """Prepared data sets, shared by experiments."""
    runs: Path = Path("runs")
    """Run folders."""


class Runtime(Section):
    """This machine's resources; never part of a result's identity."""

    device: Literal["auto", "cpu", "cuda", "xpu"] = "auto"
    """``auto``: an accelerator if torch has one (xpu, else cuda), else the CPU."""
    backend: Literal["auto", "oneccl", "xccl", "ccl", "nccl", "gloo"] = "auto"
    """What carries the collectives of a training on several processes. ``auto``: xccl on xpu (ccl, Intel's bindings,
    up to torch 2.8), nccl on cuda, gloo on CPUs. ``oneccl``: Intel's library, on CPUs too (extra ``oneccl``)."""
    ipex: Literal["auto", "on", "off"] = "auto"
    """Intel's extension of torch up to 2.8, for training; ``auto``: where it is installed and fits."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads of a process; None: the CPUs it may use, shared between the local processes."""
    deterministic: bool = True
    """Ask torch for deterministic algorithms."""

    @model_validator(mode="before")
    @classmethod
    def _words_of_switches(cls, settings: Any) -> Any:
        """``ipex: on`` is true as YAML reads it."""
        if isinstance(settings, dict) and isinstance(settings.get("ipex"), bool):
            return {**settings, "ipex": "on" if settings["ipex"] else "off"}
        return settings


class Report(Section):
    """The report of a run."""

    title: str | None = None
    """Heading; None: the experiment's name."""
    samples_shown: Annotated[int, Field(ge=6, le=60, multiple_of=6)] = 12
    """Fields of each kind shown, six in a row (volumes and curves: as many as fit)."""
    shown: Literal["best", "last"] = "best"
    """Cell of the sweep in the figures and headline numbers: the best by ``evaluation.selection``, or the last.
    Without a ranking it is the last."""
    sequence: SequenceSettings | None = None
    """Generated fields beside those they are to be, along one parameter; null: none. For models that are conditioned,
    with ``sampling.conditions: reference``."""
    lines: LinesSettings | None = None
    """Generated spectra against true ones line by line (1D); null: none. ``{}`` takes the defaults. For the same
    models as ``sequence``."""
    harmonics: HarmonicsReport | None = None
    """Generated harmonics against the true ones, for each (l, m); null: none. ``{}`` takes the defaults. For source
    ``harmonics`` and models that are told ``l`` and ``m``."""
    calibration: CalibrationSettings | None = None
    """Statistics of generated fields at each parameter vector of the reference split against those of its true
    fields; null: none. ``{}`` takes the defaults. For the same models as ``sequence``."""


class Experiment(Section):
    """A complete experiment; only ``name`` and ``data`` have no default."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """Name of the experiment: letters, digits, '.', '_' and '-'."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of initial weights, data order, noise levels and training noise."""
    data: Data
    """The data set."""
    fields: Fields = Fields()
    """Transform and augmentation."""
    model: ModelSettings = UNetSettings()
    """The network."""
    diffusion: DiffusionSettings = EdmSettings()
    """Noise, preconditioning and loss."""
    training: Training = Training()
    """Training."""
    sampling: Sampling = Sampling()
    """Sampling sweep."""
    evaluation: Evaluation = Evaluation()
    """Statistics."""
    denoising: Denoising | None = None
    """Denoising; null: the experiment has none. ``{}`` takes the defaults."""
    report: Report = Report()
    """The report."""
    paths: Paths = Paths()
    """Folders."""
    runtime: Runtime = Runtime()
    """Resources."""
    jobs: Jobs = Jobs()
    """Jobs on a cluster."""

    @model_validator(mode="before")
    @classmethod
    def _default_kinds(cls, value: Any) -> Any:
        """``model`` and ``diffusion`` may leave out their ``kind``: it is then that of their default."""
        if not isinstance(value, dict):
            return value
        filled = dict(value)
        for section, kind in (("model", "unet"), ("diffusion", "edm")):
            if isinstance(value.get(section), dict):
                filled[section] = {"kind": kind, **value[section]}
        return filled

    @model_validator(mode="after")
    def _sections_agree(self) -> "Experiment":
        per_image = any(isinstance(s, MinMax) and s.scope == "image" for s in self.fields.transform)
        if per_image and self.evaluation.space != "transformed":
            raise ValueError(
                "an evaluation.space other than 'transformed' needs a transform that can be undone for a generated "
                "field; fields.transform has min_max with scope 'image'"
            )
        if self.sampling.conditions != "reference" and not self.model.conditioning.parameters:
            raise ValueError("sampling.conditions has no effect without model.conditioning.parameters")
        guided = [weight for weight in self.sampling.guidance if weight != 1]
        if guided and not self.model.conditioning.dropout:
            raise ValueError(
                f"sampling.guidance {guided[0]:g} needs a network that knows the fields without their parameters "
                "too, but model.conditioning.dropout is 0: train with 0.1, say, or leave guidance at 1"
            )
        if isinstance(self.model, PluginModel) and self.diffusion.fields_shown > 1:
            raise ValueError(
                f"diffusion kind '{self.diffusion.kind}' shows the network {self.diffusion.fields_shown} fields, but "
                "a plug-in network takes one: take kind 'edm'"
            )
        if self.sampling.weights == "ema" and self.training.ema_gamma is None:
            raise ValueError("sampling.weights 'ema' needs training.ema_gamma, which is null: take 'raw'")
        if self.sampling.ema_gamma is not None and (
            self.sampling.weights == "raw" or len(self.training.averages) < 2
        ):
            raise ValueError(
                f"sampling.ema_gamma is put together from two averages, but sampling.weights is "
                f"'{self.sampling.weights}' and training.ema_gamma {self.training.ema_gamma}: take weights 'ema' and "
                "train with ema_gamma [16.97, 6.94]"
            )
        if not self.data.fills(self.evaluation.reference):
            raise ValueError(
                f"evaluation.reference is '{self.evaluation.reference}', but data.split gives it no share"
            )
        return self

    @model_validator(mode="after")
    def _can_denoise(self) -> "Experiment":
        denoising = self.denoising
        if denoising is None:
            return self
        if denoising.weights == "ema" and self.training.ema_gamma is None:
            raise ValueError("denoising.weights 'ema' needs training.ema_gamma, which is null: take 'raw'")
        if not self.data.fills(denoising.split):
            raise ValueError(f"denoising.split is '{denoising.split}', but data.split gives it no share")
        per_image = any(isinstance(s, MinMax) and s.scope == "image" for s in self.fields.transform)
        if denoising.rescale and not per_image:
            raise ValueError("denoising.rescale has no effect without min_max of scope 'image' in fields.transform")
        bent = [step.kind for step in self.fields.transform if not isinstance(step, Standardise | MinMax)]
        if denoising.noise.space == "physical" and bent:
            raise ValueError(
                f"denoising.noise.space 'physical' needs a transform of affine steps alone, but fields.transform has "
                f"{bent[-1]}, after which the noise is not Gaussian and its level differs from cell to cell: take "
                "'transformed', or train with standardise or min_max alone"
            )
        return self
