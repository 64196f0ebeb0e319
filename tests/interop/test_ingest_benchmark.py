"""The ingest benchmark measures what it says, on a few images."""

import pytest

from benchmarks import ingest
from tests.peers import toolkits as peers

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not peers.is_installed("dcmsend", "storescp"), reason="DCMTK is not installed"
    ),
]


@pytest.mark.parametrize("server", ["node", "storescp"])
def test_every_image_is_stored_and_timed(tmp_path, server):
    load = ingest.Load(megabytes=2, images=4, associations=2)
    folders = ingest.make_images(tmp_path / "images", load)
    (tmp_path / server).mkdir()
    with ingest.SERVERS[server](tmp_path / server) as address:
        rate = ingest.measure(folders, address)
    assert rate.images_per_s > 0
    assert 0 < rate.p50_s <= rate.p99_s
