"""The compressed transfer syntaxes that the node accepts: it must read each of them."""

from dicom_node.dimse.presentation import TRANSFER_SYNTAXES

COMPRESSED = sorted(syntax for syntax in TRANSFER_SYNTAXES if syntax.is_encapsulated)
