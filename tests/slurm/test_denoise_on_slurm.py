"""Denoising as a job array on the real cluster."""

from drivers import Drivers

SECTION = "denoising={noise: {of: std}, posterior_samples: 2, evaluations: 2, micro_batch: 4, block_length: 1}"


def test_an_array_denoises_every_block_once(cluster, tmp_path):
    drivers = Drivers(tmp_path)
    for stage in ("prepare", "train"):
        drivers.call("run", stage)
    text = drivers.call("submit", "denoise", "--parts", "2", "--time", "5", "--wait", "--set", SECTION)
    (plan,) = drivers.plans()
    assert (plan["stage"], plan["num_parts"], plan["elements"]) == ("denoise", 2, [0, 1])
    markers = sorted(path.name for path in tmp_path.glob("runs/*/markers/denoised-*.json"))
    assert len(markers) == 3, text  # fields of the validation split
    assert "done before" in drivers.call("submit", "denoise", "--parts", "2", "--time", "5", "--set", SECTION)
