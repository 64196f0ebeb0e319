"""The parts that the services of a node share."""

from functools import partial

from dicom_node.injected import clock, new_uid
from dicom_node.node.clocks import refuse_impossible
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.delivery import destinations
from dicom_node.node.wiring.model import make_runner
from dicom_node.node.wiring.monitoring.audit import make_trail
from dicom_node.node.wiring.reception import make_adoption, make_bond, make_reception
from dicom_node.node.wiring.storage import make_store, ready_database
from dicom_node.node.wiring.worklist import make_steps, make_worklist


def open_parts(settings: Settings) -> Parts:
    """Open store and database, and clear away what a crash left half-written.

    Raises
    ------
    StoreMismatch
        The two do not belong together.
    SettingsInvalid
        The clock was never set.
    """
    refuse_impossible(clock())
    parts = opened_parts(settings)
    try:
        parts.bond.take_up()
    except BaseException:
        parts.database.close()
        raise
    return parts


def opened_parts(settings: Settings) -> Parts:
    """Open store and database, whether or not they belong together."""
    store = make_store(settings)
    store.sweep()
    database = ready_database(settings)
    reception = make_reception(settings, store, database)
    steps = make_steps(database)
    adoption = make_adoption(store, database, reception)
    return Parts(
        store=store,
        database=database,
        steps=steps,
        worklist=make_worklist(settings, database, steps, store),
        reception=reception,
        bond=make_bond(settings, store, database, adoption),
        adoption=adoption,
        runner=partial(make_runner, settings),
        destinations=destinations(settings),
        clock=clock,
        new_uid=new_uid,
        audit=make_trail(settings, database),
    )
