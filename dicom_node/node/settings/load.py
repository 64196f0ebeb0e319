"""The configuration as one frozen value: TOML < secret files < environment < arguments.

Read once at the top (``cli``) and passed down by ``node`` as plain values. Unknown
keys, bad values and impossible combinations are refused with the key's path;
``conf/node.toml`` shows every key with its unit, default and reason.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from dicom_node.errors import SettingsInvalid
from dicom_node.node.settings.analysis import EligibilitySection, WorkerSection
from dicom_node.node.settings.destinations import (
    WRONG_KIND,
    AvailabilitySection,
    DeliverySection,
    DestinationSection,
    without_kind,
)
from dicom_node.node.settings.dimse import DimseSection
from dicom_node.node.settings.evidence import EvidenceSection, SegSection, SrSection
from dicom_node.node.settings.model import ModelSection
from dicom_node.node.settings.monitoring import (
    AuditSection,
    MetricsSection,
    NotificationSection,
)
from dicom_node.node.settings.node import (
    DatabaseSection,
    NodeSection,
    RetentionSection,
)
from dicom_node.node.settings.objects import ObjectsSection
from dicom_node.node.settings.pages import PagesSection, TargetsSection
from dicom_node.node.settings.web import DicomwebSection, HttpSection
from dicom_node.node.settings.worklist import (
    FetchSection,
    PriorsSection,
    WorklistSection,
)

ENVIRONMENT_PREFIX = "CXR_NODE__"
SECRETS_DIR_VARIABLE = "CXR_NODE_SECRETS_DIR"
DEFAULT_SECRETS_DIR = Path("/run/secrets")


class Settings(BaseSettings):
    """Everything a site may choose."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    node: NodeSection = NodeSection()
    dimse: DimseSection = DimseSection()
    database: DatabaseSection = DatabaseSection()
    objects: ObjectsSection = ObjectsSection()
    http: HttpSection = HttpSection()
    dicomweb: DicomwebSection = DicomwebSection()
    pages: PagesSection = PagesSection()
    targets: TargetsSection = TargetsSection()
    model: ModelSection = ModelSection()
    worker: WorkerSection = WorkerSection()
    worklist: WorklistSection = WorklistSection()
    fetch: FetchSection = FetchSection()
    priors: PriorsSection = PriorsSection()
    delivery: DeliverySection = DeliverySection()
    destinations: tuple[DestinationSection, ...] = ()
    availability: tuple[AvailabilitySection, ...] = ()
    evidence: EvidenceSection = EvidenceSection()
    seg: SegSection = SegSection()
    sr: SrSection = SrSection()
    eligibility: EligibilitySection = EligibilitySection()
    retention: RetentionSection = RetentionSection()
    metrics: MetricsSection = MetricsSection()
    audit: AuditSection = AuditSection()
    notifications: tuple[NotificationSection, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``load`` merged: nothing is read behind its back."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @classmethod
    def load(
        cls, path: Path | None = None, overrides: Mapping[str, Any] | None = None
    ) -> Self:
        """Merge the file, secret files, the environment and the arguments.

        Parameters
        ----------
        path
            The TOML file; ``None`` for none.
        overrides
            Nested keys from the command line, the strongest.

        Raises
        ------
        SettingsInvalid
            One line with the path of every key that cannot be used.
        """
        merged: dict[str, Any] = {}
        for source in (
            _toml(path),
            secret_files(cls),
            environment(cls),
            overrides or {},
        ):
            merged = _merge(merged, source)
        try:
            return cls(**merged)
        except ValidationError as error:
            raise SettingsInvalid(_one_line(error, path)) from error

    @model_validator(mode="after")
    def _told_of_archives(self) -> Self:
        titled = {one.name for one in self.destinations if one.keeper is not None}
        told = [one.ae_title for one in self.availability]
        if len(set(told)) != len(told):
            msg = "availability: an ae_title is used twice"
            raise ValueError(msg)
        for section in self.availability:
            if section.destination not in titled:
                msg = (
                    f"availability: {section.ae_title}: {section.destination} is no"
                    " destination with an AE title"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _distinct_notifications(self) -> Self:
        names = [one.name for one in self.notifications]
        if len(set(names)) != len(names):
            msg = "notifications: a name is used twice"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _distinct_destinations(self) -> Self:
        names = [destination.name for destination in self.destinations]
        if len(set(names)) != len(names):
            msg = "destinations: a name is used twice"
            raise ValueError(msg)
        for title in self.dimse.titles:
            for name in title.destinations or ():
                if name not in names:
                    msg = f"dimse.titles: {title.ae_title}: no destination {name}"
                    raise ValueError(msg)
        loopback = {"localhost", "127.0.0.1", "::1"}
        ours = {
            *((host, self.dimse.port) for host in {self.dimse.host, *loopback}),
            *((host, self.http.port) for host in {self.http.host, *loopback}),
        }
        for destination in self.destinations:
            if destination.place in ours:
                msg = f"destinations: {destination.name} is this node itself"
                raise ValueError(msg)
        return self


def _toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as error:
        raise SettingsInvalid(f"no such file: {path}") from error
    except OSError as error:
        raise SettingsInvalid(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path}: not valid TOML: {error}") from error


def secret_files(cls: type[BaseSettings]) -> dict[str, Any]:
    """Read what stands in secret files."""
    folder = Path(os.environ.get(SECRETS_DIR_VARIABLE, DEFAULT_SECRETS_DIR))
    if not folder.is_dir():
        return {}
    try:
        return NestedSecretsSettingsSource(
            EnvSettingsSource(cls), secrets_dir=folder, secrets_nested_delimiter="__"
        )()
    except (SettingsError, OSError) as error:
        raise SettingsInvalid(f"{folder}: {error}") from error


def environment(cls: type[BaseSettings]) -> dict[str, Any]:
    """Read what the environment says."""
    for name in os.environ:
        section = name.upper().removeprefix(ENVIRONMENT_PREFIX).split("__")[0].lower()
        known = section in cls.model_fields
        if name.upper().startswith(ENVIRONMENT_PREFIX) and not known:
            close = difflib.get_close_matches(section, list(cls.model_fields), n=1)
            meant = f"; did you mean {close[0].upper()!r}?" if close else ""
            raise SettingsInvalid(f"environment: {name}: unknown key{meant}")
    try:
        return EnvSettingsSource(cls)()
    except SettingsError as error:
        raise SettingsInvalid(f"environment: {error}") from error


def _merge(weak: Mapping[str, Any], strong: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(weak)
    for key, value in strong.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def _meant(place: Sequence[int | str]) -> str:
    """Name the key of the same table that is most like an unknown one."""
    close = difflib.get_close_matches(str(place[-1]), _known_at(place), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _known_at(place: Sequence[int | str]) -> list[str]:
    """List the keys of the table in which a key stands."""
    tables: list[type[BaseModel]] = [Settings]
    for part in without_kind(place)[:-1]:
        if not isinstance(part, int):
            tables = [
                table
                for model in tables
                if part in model.model_fields
                for table in _tables_of(model.model_fields[part].annotation)
            ]
    return [name for table in tables for name in table.model_fields]


def _tables_of(annotation: Any) -> list[type[BaseModel]]:
    """Find the tables that an annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for part in get_args(annotation) for table in _tables_of(part)]


def _one_line(error: ValidationError, path: Path | None) -> str:
    def sentence(detail: Mapping[str, Any]) -> str:
        where = ".".join(str(part) for part in without_kind(detail["loc"]))
        text = str(detail["msg"]).removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            text = "unknown key" + _meant(detail["loc"])
        elif detail["type"] == "missing":
            text = "required key is missing"
        elif detail["type"] == WRONG_KIND:
            where += ".kind"
        return f"{where}: {text}" if where else text

    details = error.errors(include_url=False, include_input=False)
    found = "; ".join(sentence(detail) for detail in details)
    return f"{path}: {found}" if path else found
