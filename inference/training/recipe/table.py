"""What every table of a recipe is made of."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


def _none_when_empty(value: object) -> object:
    """TOML has no null: an empty string says none."""
    return None if value == "" else value


EmptyIsNone = BeforeValidator(_none_when_empty)


class Table(BaseModel):
    """A frozen table that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkTable(Table):
    """What the shape of every network says, whatever its architecture.

    Parameters
    ----------
    kind
        The architecture, by its name in ``architectures.table``.
    input_px
        Side S of the square input; a multiple of 32.
    weights
        What it starts from; ``""`` starts at random.
    """

    kind: str
    input_px: int = Field(default=512, ge=64, multiple_of=32)
    weights: Annotated[Path | None, EmptyIsNone] = None
