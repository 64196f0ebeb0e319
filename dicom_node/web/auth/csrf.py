"""Requests that a page of somebody else makes a browser send.

The door has refused an ``Origin`` that is not this node's. Here a browser that names no
origin has to say that the page is of this node, before its cookie is taken for a wish.
"""

from starlette.datastructures import Headers

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})


def is_forged(method: str, headers: Headers, *, by_cookie: bool) -> bool:
    """Tell whether a request that changes something may be another page's."""
    if method in _SAFE:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in _OWN
    return by_cookie and "origin" not in headers
