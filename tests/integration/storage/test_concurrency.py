"""Many at once: claims are exclusive and news travels, on both databases."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from storage.catalog import arrivals, instances
from storage.database import Database
from storage.objects.files import FileObjectStore
from storage.outbox import deliveries
from storage.records import NewDelivery, ProcedureStepState
from storage.signals import Topic
from storage.worklist import jobs, workitems
from tests.factories.rows import (
    NOW,
    a_workitem,
    after,
    an_evidence,
    an_instance,
    claim,
    receive,
    settle,
)
from tests.peers.claimer import claim_everything

ROOT = Path(__file__).resolve().parents[3]
CLAIMERS = 8
PROCESSES = 3
WORKITEMS = 200
CLAIMER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from tests.peers.claimer import claim_everything
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(3) as pool:
    for claimed in pool.map(claim_everything, sys.argv[1:2] * 3, "abc"):
        print(*claimed)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_eight_threads_claim_two_hundred_workitems_and_none_twice(
    database, database_url
):
    receive(database, *range(1, WORKITEMS + 1))
    with ThreadPoolExecutor(CLAIMERS) as pool:
        urls, names = [database_url] * CLAIMERS, map(str, range(CLAIMERS))
        claimed = list(pool.map(claim_everything, urls, names))
    uids = [uid for each in claimed for uid in each]
    assert sorted(uids) == sorted(f"1.9.{n}" for n in range(1, WORKITEMS + 1))


@pytest.mark.slow
def test_claimers_in_several_processes_never_claim_one_workitem_twice(
    database, database_url
):
    receive(database, *range(1, WORKITEMS + 1))
    with ExitStack() as stack:
        claimers = [
            stack.enter_context(start(CLAIMER, database_url)) for _ in range(PROCESSES)
        ]
        for claimer in claimers:
            assert claimer.stdout.readline() == "ready\n"
        for claimer in claimers:
            claimer.stdin.write("go\n")
            claimer.stdin.flush()
        claimed = [claimer.communicate(timeout=300)[0].split() for claimer in claimers]
    uids = [uid for each in claimed for uid in each]
    assert sorted(uids) == sorted(f"1.9.{n}" for n in range(1, WORKITEMS + 1))


def test_deliveries_that_end_together_complete_the_workitem(database):
    """Neither transaction sees the other's row; one of them must complete it."""
    receive(database, *range(1, 11))
    for number, item in enumerate(claim(database, limit=10), 1):
        wanted = [NewDelivery(name, f"1.7.{number}") for name in ("east", "west")]
        settle(database, item, (an_evidence(number),), tuple(wanted))
    together = threading.Barrier(2, timeout=180)

    def deliver(destination: str) -> None:
        with database.transaction() as tx:
            rows = deliveries.due(
                tx, destination=destination, limit=99, now=after(2000), lease_s=60
            )
        for row in rows:
            together.wait()
            with database.transaction() as tx:
                deliveries.sent(tx, row.delivery.delivery_id, status=0, now=after(2001))
                uid = row.delivery.workitem_uid
                workitems.complete_if_delivered(tx, uid, after(2001))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(deliver, ("east", "west")))
    with database.transaction(read_only=True) as tx:
        assert jobs.counts(tx)[ProcedureStepState.COMPLETED] == 10


def test_the_same_instance_arriving_twice_at_once_is_stored_once(database):
    together = threading.Barrier(4, timeout=180)

    def receive_it(_number: int) -> bool:
        together.wait()
        with database.transaction() as tx:
            added = instances.add_instance(tx, an_instance())
            if added:
                workitems.schedule(tx, a_workitem())
        return added

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(receive_it, range(4)))
    assert sorted(added) == [False, False, False, True]


def test_a_watch_hears_of_work_in_its_own_process_without_asking(database_url):
    """The one who asks the database would come too late: tomorrow."""
    with closing(Database(database_url, data_version_poll_s=86_400)) as database:
        watch = database.watch()
        waiter = threading.Thread(target=receive, args=(database, 1))
        waiter.start()
        assert watch.wait(180)
        waiter.join()
        assert not watch.wait(0.1)


def test_a_watch_misses_nothing_between_two_waits(database):
    watch = database.watch()
    receive(database, 1)
    receive(database, 2)
    assert watch.wait(0)
    assert not watch.wait(0)


def test_a_watch_hears_only_of_its_topics(database):
    work, outbox = database.watch(Topic.WORK), database.watch(Topic.DELIVERY)
    receive(database, 1)
    assert work.wait(0)
    assert not outbox.wait(0)
    settle(database, *claim(database), (an_evidence(),), (NewDelivery("p", "1.7.1"),))
    assert outbox.wait(0)
    assert not work.wait(0)


def test_a_rolled_back_announcement_is_never_heard(database):
    watch = database.watch()

    def announce_and_fail() -> None:
        with database.transaction() as tx:
            tx.announce(Topic.WORK)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        announce_and_fail()
    assert not watch.wait(0.1)


def test_a_watch_can_be_told_to_stop_waiting(database):
    watch = database.watch()
    watch.notify()
    assert watch.wait(180)


SENDER = """
import sys
from storage.database import Database
from tests.factories.rows import receive
database = Database(sys.argv[1])
receive(database, 1)
print("ready", flush=True)
for number in range(2, 12):
    sys.stdin.readline()
    receive(database, number)
    print(number, flush=True)
database.close()
"""


@pytest.mark.slow
def test_another_process_hears_of_each_piece_of_work(database, database_url):
    watch = database.watch(Topic.WORK)
    with start(SENDER, database_url) as sender:
        assert sender.stdout.readline() == "ready\n"
        assert watch.wait(180)
        for number in range(2, 12):
            sender.stdin.write("\n")
            sender.stdin.flush()
            assert watch.wait(180)
            assert sender.stdout.readline() == f"{number}\n"
        sender.stdin.close()


def test_a_reader_waits_for_no_writer(database):
    receive(database, 1)
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance(2))
        with ThreadPoolExecutor(1) as pool:
            seen = pool.submit(count_instances, database).result(timeout=180)
    assert seen == 1
    assert count_instances(database) == 2


def count_instances(database: Database) -> int:
    with database.transaction(read_only=True) as tx:
        return len(arrivals.list_instances(tx, since=NOW).items)


RECEIVER = """
import io, pathlib, sys
from storage.catalog import instances
from storage.worklist import workitems
from storage.database import Database
from storage.objects.files import FileObjectStore
from tests.factories.rows import a_workitem, an_instance
database = Database(sys.argv[1])
store = FileObjectStore(pathlib.Path(sys.argv[2]))
for number in range(1, 10_000):
    stored = store.put(io.BytesIO(b"%d" % number * 50_000))
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance(number, object_key=stored.key))
        workitems.schedule(tx, a_workitem(number))
    print(number, flush=True)
"""


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(
    database, database_url, tmp_path
):
    with start(RECEIVER, database_url, str(tmp_path / "store")) as receiver:
        for line in receiver.stdout:
            if int(line) == 30:
                break
        receiver.kill()
        acknowledged = [int(line) for line in receiver.stdout if line.endswith("\n")]
    store = FileObjectStore(tmp_path / "store")
    store.sweep()
    for number in [*range(1, 31), *acknowledged]:
        with database.transaction(read_only=True) as tx:
            instance = instances.get_instance(tx, f"1.2.3.{number}")
            assert workitems.find(tx, instance.sop_instance_uid)
        store.verify(instance.object_key)
