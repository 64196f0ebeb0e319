"""``[pages]`` and ``[targets]``: the web pages, and what a site expects of itself."""

from pathlib import Path

from dicom_node.node.settings.section import Seconds, Section


class PagesSection(Section):
    """The web pages."""

    enabled: bool = True
    show_names: bool = False
    texts: Path | None = None


class TargetsSection(Section):
    """What a site expects; pages say where it is not met."""

    arrival_to_pacs_s: Seconds = 120.0
