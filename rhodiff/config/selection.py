"""By what the checkpoints of a sweep are ranked, and how surely they must differ to be told apart."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rhodiff.config.section import Section

__all__ = ["Selection"]


class Selection(Section):
    """Ranking of the sweep's cells by their distance to the reference, where it has two checkpoints or more."""

    score: Literal["auto", "paper_a", "power_spectrum", "cosmic_variance"] = "auto"
    """``paper_a``: mean |dP/P| and mean difference of the Minkowski functionals over their peaks (arXiv 2211.12444);
    ``power_spectrum``: the first of these alone; ``cosmic_variance``: mean squared difference, over the scatter of a
    single field, of those of the two statistics that are measured; ``auto``: of ``paper_a`` what is measured."""
    combination: Literal["sum_in_floors", "mean_rank"] | None = None
    """Of the two scores of ``paper_a``: their sum, each in units of what equal sets show, or the mean of the ranks;
    null: the sum."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Chance that equal checkpoints are not all called indistinguishable."""
    resamples: Annotated[int, Field(ge=100)] = 1000
    """Bootstrap resamples; at least 10 / ``level``."""

    @model_validator(mode="after")
    def _settings_agree(self) -> "Selection":
        if self.resamples < 10 / self.level:
            raise ValueError(
                f"{self.resamples} resamples do not show what happens with probability {self.level:g}: give "
                f"{round(10 / self.level)} or more"
            )
        if self.combination is not None and self.score in ("power_spectrum", "cosmic_variance"):
            raise ValueError(f"combination has no effect on the single score '{self.score}': leave it out")
        return self
