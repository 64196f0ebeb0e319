"""What PS3.3 requires of each SOP class, from the tables that highdicom carries.

The only private names of highdicom in the house: it publishes no way to ask for a
module's attributes. ``tests/unit/dicom_node/evidence/test_library.py`` holds them.
"""

from functools import cache

from highdicom._standard_utils import (
    get_iod_module_map,
    get_module_attribute_map,
    get_sop_class_iod_map,
)

# Their attribute tables list alternatives of one choice as if all were required.
_CHOICES = {"segmentation-multi-frame-functional-groups", "sr-document-content"}


@cache
def required_by_modules(
    sop_class_uid: str,
) -> tuple[tuple[str, bool, tuple[str, ...]], ...]:
    """(keyword, needs a value, path) of an IOD's mandatory modules (PS3.3 Annex A)."""
    iod = get_sop_class_iod_map().get(sop_class_uid, "")
    modules = [
        module["key"]
        for module in get_iod_module_map().get(iod, [])
        if module["usage"] == "M" and module["key"] not in _CHOICES
    ]
    return tuple(
        (row["keyword"], row["type"] == "1", tuple(row["path"]))
        for module in modules
        for row in get_module_attribute_map()[module]
        if row["type"] in {"1", "2"}
    )
