"""The step that predictions start from is that of the training itself."""

import pytest
import torch

from rhodiff.errors import ConfigError
from rhodiff.models.build import count_parameters
from rhodiff.runtime.places import Place
from rhodiff.runtime.processes import Processes
from rhodiff.stages.scaling_bench import measure_share, predict_scaling
from rhodiff.stages.train import build_parts
from rhodiff.training.scaling import LinkSpeed
from rhodiff.training.state import TrainingState
from rhodiff.training.step_profile import measure_step

CPU = torch.device("cpu")
INSTANT = LinkSpeed(0.0, 1e30)


def test_every_gradient_is_timed_within_the_backward_pass(changed):
    workspace = changed()
    parts = build_parts(workspace, Processes(Place(), CPU))
    before = [weight.clone() for weight in parts.network.parameters()]
    times = measure_share(parts, workspace.experiment.training, CPU, share=4, repeats=1)
    assert all(torch.equal(*pair) for pair in zip(before, parts.network.parameters(), strict=True))
    assert sum(times.sizes) == 4 * count_parameters(parts.network)
    assert list(times.ready_s) == sorted(times.ready_s)
    assert 0 < times.ready_s[0] < times.ready_s[-1] <= times.backward_s
    assert times.update_s > 0


def test_the_last_layers_gradient_comes_first_and_the_stems_last(changed):
    workspace = changed()
    parts = build_parts(workspace, Processes(Place(), CPU))
    state = TrainingState.begin(parts.network, workspace.experiment.training)
    batch = parts.batches.make(0, range(4))
    times = measure_step(state, parts.formulation, batch, workspace.experiment.training, CPU, repeats=1)
    sizes = {name: 4 * one.numel() for name, one in parts.network.named_parameters()}
    assert times.sizes[0] in (sizes["head.conv.weight"], sizes["head.conv.bias"])
    assert sizes["stem.conv.weight"] in times.sizes[-12:]
    assert state.iteration == 3


def test_without_cost_of_communication_only_small_shares_cost(changed):
    found = predict_scaling(changed(), CPU, [1, 2, 4], 1, INSTANT, repeats=1)
    assert [row.share for row in found.rows] == [4, 2, 1]
    assert [row.time.exposed_s for row in found.rows] == [0, pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9)]
    assert found.rows[0].efficiency == pytest.approx(1.0)
    for row in found.rows:
        assert row.speedup == pytest.approx(found.rows[0].time.step_s / row.time.step_s)
        assert row.node_hours == pytest.approx(row.nodes * row.time.step_s * 4 / 3600)


def test_a_network_that_never_answers_leaves_one_node(changed):
    found = predict_scaling(changed(), CPU, [1, 2], 2, LinkSpeed(100.0, 1e9), repeats=1)
    assert found.largest_worth_it is None
    assert found.rows[0].time.processes == 2
    # two processes: one latency forth and one back, for each of the buckets
    assert found.rows[0].time.exposed_s == pytest.approx(200 * len(found.bucket_sizes_mb), rel=0.01)


def test_more_processes_than_fields_are_refused(changed):
    with pytest.raises(ConfigError, match="batch_size 4 gives no field to each of 8 processes"):
        predict_scaling(changed(), CPU, [1, 8], 1, INSTANT)
