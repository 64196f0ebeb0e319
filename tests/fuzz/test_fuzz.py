"""Hostile bytes for a while: no traceback, no hang, bounded memory, and well after it.

CXR_NODE_FUZZ_SEED chooses the inputs; ``make fuzz`` takes longer.
"""

import os
import time

import pytest

from tests.fuzz.campaign import TARGETS, Campaign

SEED = int(os.environ.get("CXR_NODE_FUZZ_SEED", "14"))
EACH_S = 3.0


# As a node has it, see dicom_node.node.logs.
@pytest.mark.filterwarnings("ignore:::pydicom")
@pytest.mark.filterwarnings("ignore:::pynetdicom")
@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_hostile_bytes_do_no_harm(name, tmp_path):
    campaign = Campaign(name, SEED, tmp_path)
    with campaign.open() as running:
        running.some(1_000_000, until=time.monotonic() + EACH_S)
    print(f"seed {SEED}: {campaign.number} inputs for {name}")  # noqa: T201  the figure is what a run is for
    assert campaign.number > 0
    assert campaign.findings == []
