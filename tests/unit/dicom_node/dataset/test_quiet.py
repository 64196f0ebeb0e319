"""Readers stay quiet together, and leave the library as it was."""

import threading
import warnings

import pytest
from pydicom import config

from dicom_node.dataset.quiet import quiet


def test_quiet_leaves_pydicom_as_it_was():
    before = config.settings.reading_validation_mode
    with quiet(), quiet():
        warnings.warn("a value of the patient's", UserWarning, stacklevel=1)
        assert config.settings.reading_validation_mode == config.IGNORE
        assert config.logger.disabled
    assert config.settings.reading_validation_mode == before
    assert not config.logger.disabled


def test_readers_do_not_wait_for_each_other_and_the_last_one_restores():
    before = config.settings.reading_validation_mode
    first_in, first_out = threading.Event(), threading.Event()

    def reader():
        with quiet():
            first_in.set()
            assert first_out.wait(60)

    thread = threading.Thread(target=reader)
    thread.start()
    assert first_in.wait(60)
    with quiet():
        first_out.set()
        thread.join(60)
        assert config.settings.reading_validation_mode == config.IGNORE
    assert config.settings.reading_validation_mode == before
    with pytest.raises(UserWarning):
        warnings.warn("heard again", UserWarning, stacklevel=1)
