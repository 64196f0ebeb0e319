"""pynetdicom's switches, which both roles need before their first association.

The manual names them, but keeps them in a module with a private name and gives no
public spelling. No other private name of the library is used outside ``acceptor``.
"""

from pynetdicom import _config


def configure() -> None:
    """Set the library's switches; once more does no harm."""
    # The library would print identifiers and data sets at its own discretion.
    _config.LOG_HANDLER_LEVEL = "none"
    # Objects leave as they are stored, without being decoded.
    _config.STORE_SEND_CHUNKED_DATASET = True
