"""The ``[network]`` table of the baseline without pixels."""

from typing import Literal

from inference.training.recipe.table import NetworkTable, Positive


class ColumnsNetwork(NetworkTable):
    """A support vector machine on columns: no network, but a recipe like others.

    Parameters
    ----------
    cost
        The machine's C.
    kernel
        The machine's.
    """

    kind: Literal["columns"] = "columns"
    cost: Positive = 1.0
    kernel: Literal["rbf", "linear"] = "rbf"
