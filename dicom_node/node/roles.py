"""Which parts of the node a process runs."""

from enum import StrEnum


class Role(StrEnum):
    """A part, or all of them."""

    ALL = "all"
    RECEIVE = "receive"
    WEB = "web"
    WORK = "work"

    def includes(self, part: "Role") -> bool:
        """Whether a process of this role runs that part."""
        return self in (Role.ALL, part)
