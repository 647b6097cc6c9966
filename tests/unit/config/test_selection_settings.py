"""Settings of the selection that contradict each other, or the statistics, are refused; none changes a statistic."""

import pytest
from pydantic import ValidationError

from rhodiff.config.evaluation import Evaluation
from rhodiff.config.section import result_settings

BOTH = [{"kind": "power_spectrum"}, {"kind": "minkowski"}]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"selection": {"score": "paper_a"}}, "'paper_a' needs minkowski among the statistics"),
        ({"statistics": BOTH[1:], "selection": {"score": "power_spectrum"}}, "needs power_spectrum among"),
        ({"statistics": BOTH, "selection": {"score": "power_spectrum", "combination": "mean_rank"}}, "no effect"),
        ({"selection": {"combination": "mean_rank"}}, "no effect unless power_spectrum and minkowski"),
        ({"selection": {"level": 0.001}}, "give 10000 or more"),
        ({"selection": {"level": 1}}, "less than 1"),
    ],
)
def test_contradictions_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Evaluation.model_validate(settings)


@pytest.mark.parametrize("score", ["auto", "paper_a", "power_spectrum", "cosmic_variance"])
def test_every_score_is_allowed_where_its_statistics_are_measured(score):
    found = Evaluation.model_validate({"statistics": BOTH, "selection": {"score": score, "level": 0.01}})
    assert found.selection.score == score


def test_another_selection_measures_nothing_again():
    plain = Evaluation.model_validate({"statistics": BOTH})
    other = Evaluation.model_validate({"statistics": BOTH, "selection": {"combination": "mean_rank", "level": 0.2}})
    assert result_settings(plain) == result_settings(other)
