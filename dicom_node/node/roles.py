"""Which parts of the node a process runs."""

from enum import StrEnum


class Role(StrEnum):
    """A part, or all of them."""

    ALL = "all"
    RECEIVE = "receive"
    WEB = "web"
    WORK = "work"
    DELIVER = "deliver"

    def includes(self, part: "Role", *, delivers_apart: bool) -> bool:
        """Whether a process of this role runs that part.

        Parameters
        ----------
        part
            The part.
        delivers_apart
            Whether processes of their own deliver; where they do not, workers do.
        """
        if self is Role.WORK and part is Role.DELIVER:
            return not delivers_apart
        return self in (Role.ALL, part)
