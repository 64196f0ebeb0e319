"""Where a recipe comes from, and what it can and cannot do."""

from inference.training.recipe.table import Table


class About(Table):
    """What ``cxr-node recipes`` tells of it.

    Parameters
    ----------
    source
        The paper or report that describes the system.
    gives
        What its answers hold.
    lacks
        What it cannot do, or what differs from its source.
    """

    source: str = ""
    gives: str = ""
    lacks: str = ""
