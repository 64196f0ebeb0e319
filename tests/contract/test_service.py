"""What every Service of the node keeps to, whatever it runs."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread
from time import monotonic

import pytest

from dicom_node.node.health import conditions, doubts
from dicom_node.node.node import services
from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.service import Doubts, Reloads, Service
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.parts import open_parts
from tests.factories.nodes import destination, settings
from tests.fakes.runner import ScriptedRunner

SERVICES = (
    *("http", "worker", "deliver", "commitment-reports", "event-reports"),
    *("performer", "fetcher", "audit", "timers", "dimse"),
)
PROMPT_S = 20.0


@pytest.fixture
def site(tmp_path, free_port) -> Settings:
    return settings(tmp_path, [destination("pacs", free_port)])


@pytest.fixture
def parts(site) -> Iterator[Parts]:
    opened = open_parts(site)
    yield replace(opened, runner=ScriptedRunner)
    opened.database.close()


@pytest.fixture
def all_services(site, parts) -> tuple[Service, ...]:
    return services(site, parts, dict, dict)


@pytest.fixture(params=SERVICES)
def service(request, all_services) -> Iterator[Service]:
    (one,) = (one for one in all_services if one.name == request.param)
    yield one
    one.stop(monotonic())


def test_the_suite_knows_all_services_and_each_has_a_name_of_its_own(all_services):
    assert tuple(one.name for one in all_services) == SERVICES


def test_it_belongs_to_one_part_of_the_node(service):
    assert service.role in set(Role) - {Role.ALL}


def test_before_the_start_it_is_in_trouble_and_says_so_in_words(service):
    assert service.trouble()


def test_once_started_it_is_well(service):
    service.start()
    assert service.trouble() is None


def test_a_stop_before_the_start_does_no_harm(service):
    service.stop(monotonic() + PROMPT_S)
    service.start()
    assert service.trouble() is None


def test_after_the_stop_it_is_in_trouble_and_a_second_stop_does_no_harm(service):
    service.start()
    for _ in range(2):
        started = monotonic()
        service.stop(started + PROMPT_S)
        assert monotonic() - started < PROMPT_S
        assert service.trouble()


def test_a_stop_whose_time_is_over_ends_it_all_the_same(service):
    service.start()
    service.stop(monotonic() - 1)
    assert service.trouble()


def test_whoever_reloads_goes_on_and_takes_the_same_again(service, site, parts):
    service.start()
    if isinstance(service, Reloads):
        for _ in range(2):
            service.reload(site, parts)
    assert service.trouble() is None


def test_a_reload_before_the_start_starts_nothing(service, site, parts):
    if isinstance(service, Reloads):
        service.reload(site, parts)
    assert service.trouble()


def test_a_service_that_is_well_raises_no_doubt(service):
    service.start()
    assert not isinstance(service, Doubts) or service.doubt() is None


def test_while_it_starts_it_is_in_trouble(site, parts):
    begun, goes_on = Event(), Event()

    class Slow(ScriptedRunner):
        def load(self) -> None:
            begun.set()
            assert goes_on.wait(180)
            super().load()

    slow = services(site, replace(parts, runner=Slow), dict, dict)
    (worker,) = (one for one in slow if one.name == "worker")
    starting = Thread(target=worker.start)
    starting.start()
    try:
        assert begun.wait(180)
        assert worker.trouble() == "the model is being loaded"
    finally:
        goes_on.set()
        starting.join()
        trouble = worker.trouble()
        worker.stop(monotonic())
    assert trouble is None


def test_health_says_what_the_services_say(parts, all_services):
    told = conditions(parts, all_services)
    troubles = {one.name: one.trouble() for one in all_services}
    assert {name: told[name] for name in SERVICES} == troubles
    assert doubts(all_services) == {}
