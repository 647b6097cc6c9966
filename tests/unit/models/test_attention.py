import math

import pytest
import torch

from rhodiff.models.attention import FullAttention, LinearAttention, build_attention


@pytest.mark.parametrize("space", [(12,), (4, 6), (4, 2, 3)])
@pytest.mark.parametrize("kind", ["linear", "full"])
def test_attention_starts_as_the_identity_and_then_mixes_cells_blind_to_positions(kind, space):
    layer = build_attention(kind, 16, heads=2, head_channels=8, groups=4)
    x = torch.randn(2, 16, *space)
    assert torch.equal(layer(x), x)
    torch.nn.init.normal_(layer.project_out.weight)
    out = layer(x)
    assert out.shape == x.shape
    assert not torch.allclose(out, x)
    rolled = torch.roll(x, 1, dims=2)
    torch.testing.assert_close(layer(rolled), torch.roll(out, 1, dims=2), rtol=1e-4, atol=1e-5)


def test_full_attention_is_the_softmax_formula():
    q, k, v = torch.randn(3, 1, 2, 5, 4, dtype=torch.float64)
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(4), dim=-1)
    torch.testing.assert_close(FullAttention(8, 2, 4, 1).combine(q, k, v), weights @ v)


def test_linear_attention_is_the_same_product_in_the_other_order():
    q, k, v = torch.randn(3, 1, 2, 5, 4, dtype=torch.float64)
    weights = torch.softmax(q, dim=-1) @ torch.softmax(k, dim=-2).transpose(-1, -2) / math.sqrt(4)
    torch.testing.assert_close(LinearAttention(8, 2, 4, 1).combine(q, k, v), weights @ v)


def test_none_is_no_layer():
    x = torch.randn(1, 8, 4)
    assert build_attention("none", 8, 1, 8, 1)(x) is x
