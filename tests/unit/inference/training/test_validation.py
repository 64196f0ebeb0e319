"""The quick look at held-out films: which arithmetic it, and learning, run in."""

import pytest
import torch

from inference.training.validation import autocast


def product(capability: str, **asked: bool) -> torch.dtype:
    one = torch.ones(2, 2)
    with autocast(torch.device("cpu"), **asked, capability=capability):
        return (one @ one).dtype


@pytest.mark.parametrize("capability", ["AVX2", "DEFAULT"])
def test_a_processor_without_bfloat16_computes_in_float32(capability: str) -> None:
    assert product(capability, enabled=True) == torch.float32


def test_a_processor_with_bfloat16_uses_it_when_asked() -> None:
    assert product("AVX512", enabled=True) == torch.bfloat16
    assert product("AVX512", enabled=False) == torch.float32
