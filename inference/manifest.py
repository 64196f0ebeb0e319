"""What a model's manifest says.

A model is ``manifest.toml`` + ``model.onnx`` + ``MODEL_CARD.md``; of a model nothing is
known in code but how its task reads what the graph gives. Thresholds and calibration
were fixed on validation data and travel with the weights they belong to.
"""

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from inference.errors import ManifestInvalid, ModelNotFound
from inference.interval_table import PercentBin, PercentIntervals, SeverityIntervals

FILE_NAME = "manifest.toml"
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
INPUTS = ("images",)
# What preprocess.normalise does; a model that wants something else is refused.
NORMALISATION = "percentiles 0.5 and 99.5 to 0 and 1"
Precision = Literal["fp32", "fp16", "int8"]

_SIZES_PX = range(32, 4097, 2)
_INSTANCES = range(1, 257)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where probabilities become decisions; all in [0, 1].

    Parameters
    ----------
    score
        Raw score from which an instance of the network is accepted.
    opacity
        Dense opacity probability from which a pixel is opacity, on a film whose score
        is one half.
    opacity_slope
        How far that moves with the film's score: on every film alike at 0; at 1 the
        odds of the pixel are compared with those of the film.
    core
        Dense opacity probability that a piece of opacity must reach somewhere when no
        accepted instance touches it; at or below the film's threshold it asks for
        nothing.
    lung
        Dense lung probability from which a pixel is lung.
    minimum_area
        Smallest finding, as a fraction of the area of both lungs.
    any_opacity
        Operating point on the calibrated opacity score of the film.
    clear
        Calibrated opacity score of the film below which nothing is outlined; 0
        outlines always.
    frontal
        Probability below which the film is not taken for a frontal chest radiograph.
    """

    score: float = 0.5
    opacity: float = 0.5
    opacity_slope: float = 0.0
    core: float = 0.2
    lung: float = 0.5
    minimum_area: float = 0.01
    any_opacity: float = 0.5
    clear: float = 0.0
    frontal: float = 0.5

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not 0 <= value <= 1:
                raise ManifestInvalid(f"thresholds.{item.name} is not in [0, 1]")

    def opacity_on(self, film: float) -> float:
        """Dense opacity probability from which a pixel of a film is opacity.

        Where a network hesitates about a film, it hesitates about each of its pixels.

        Parameters
        ----------
        film
            The film's calibrated opacity score.
        """
        if self.opacity_slope == 0:
            return self.opacity
        return _sigmoid(_logit(self.opacity) + self.opacity_slope * _logit(film))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Raw outputs to probabilities that mean what they say (Platt scaling).

    The film's opacity score is ``sigmoid(bias + image x logit(image head) + instance
    x logit(best instance) + dense x logit(dense peak))``; a finding's is
    ``sigmoid(finding_bias + finding_scale x logit(raw))``.
    """

    bias: float = 0.0
    image: float = 1.0
    instance: float = 0.0
    dense: float = 0.0
    finding_bias: float = 0.0
    finding_scale: float = 1.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(getattr(self, item.name)) for item in fields(self)):
            raise ManifestInvalid("calibration holds a number that is not finite")

    def film(self, *, image: float, instance: float, dense: float) -> float:
        """Probability that the film shows any opacity."""
        return _sigmoid(
            self.bias
            + self.image * _logit(image)
            + self.instance * _logit(instance)
            + self.dense * _logit(dense)
        )

    def finding(self, score: float) -> float:
        """Probability that a finding of this raw score is real."""
        return _sigmoid(self.finding_bias + self.finding_scale * _logit(score))


def _logit(probability: float) -> float:
    clipped = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(clipped / (1 - clipped))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, value))))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelManifest:
    """Everything the node must know of a model before it loads it.

    Parameters
    ----------
    name, version
        Identify the model in results and in configuration.
    file
        The ONNX file's name inside the model folder.
    sha256
        Its digest, lower-case hexadecimal.
    input_size_px
        Side S of the square input; even.
    max_instances
        K: instances per image in the outputs.
    task
        What the outputs mean, by its name in ``tasks.table``. A manifest that names
        none is of ``opacity``: older model folders have no other.
    labels
        What the task finds; ``lung_opacity``.
    normalisation
        The grey-scale step of ``preprocess`` that the model was trained with.
    precision
        Of the weights on disk; inputs and outputs are float32.
    opset, inputs, outputs
        The graph's; the task says of which shape the outputs are.
    training_data_digest
        SHA-256 over the training data's annotations and images.
    intended_use, licence
        In words.
    thresholds, calibration, metrics
        Fixed on validation data.
    severity_intervals
        How far its percentages may be off; ``None`` when nobody measured it.
    """

    name: str
    version: str
    sha256: str
    input_size_px: int
    max_instances: int
    intended_use: str
    licence: str
    training_data_digest: str
    file: str = "model.onnx"
    task: str = "opacity"
    labels: tuple[str, ...] = ("lung_opacity",)
    normalisation: str = NORMALISATION
    precision: Precision = "fp32"
    opset: int = 16
    inputs: tuple[str, ...] = INPUTS
    outputs: tuple[str, ...] = ("boxes", "scores", "masks", "dense", "image")
    thresholds: Thresholds = field(default_factory=Thresholds)
    calibration: Calibration = field(default_factory=Calibration)
    metrics: Mapping[str, float] = field(default_factory=dict)
    severity_intervals: SeverityIntervals | None = None

    @property
    def decisions_digest(self) -> str:
        """SHA-256 over thresholds, calibration, intervals: others, other results."""
        decisions = [asdict(self.thresholds), asdict(self.calibration)]
        if self.severity_intervals is not None:
            decisions.append(asdict(self.severity_intervals))
        return hashlib.sha256(json.dumps(decisions).encode()).hexdigest()

    def __post_init__(self) -> None:
        wrong = [text for text, holds in self._rules() if not holds]
        if wrong:
            raise ManifestInvalid(f"{self.name}: {'; '.join(wrong)}")

    def _rules(self) -> tuple[tuple[str, bool], ...]:
        plain = Path(self.file).name == self.file and self.file not in {"", ".", ".."}
        return (
            ("name is not a plain name", MODEL_NAME.fullmatch(self.name) is not None),
            ("version is empty", bool(self.version)),
            ("file is not a file name", plain),
            (
                "sha256 is not 64 hexadecimal digits",
                bool(_DIGEST.fullmatch(self.sha256)),
            ),
            (
                "input_size_px is not an even number from 32 to 4096",
                self.input_size_px in _SIZES_PX,
            ),
            ("max_instances is not from 1 to 256", self.max_instances in _INSTANCES),
            ("labels are empty", bool(self.labels)),
            ("normalisation is unknown", self.normalisation == NORMALISATION),
            ("precision is unknown", self.precision in get_args(Precision)),
            (f"inputs are not {list(INPUTS)}", self.inputs == INPUTS),
            ("outputs are empty", bool(self.outputs)),
        )


def read_manifest(folder: Path) -> ModelManifest:
    """Read and check the manifest of a model folder.

    Raises
    ------
    ModelNotFound
        There is no manifest there.
    ManifestInvalid
        It is malformed, incomplete, contradictory, or has unknown keys.
    """
    path = folder / FILE_NAME
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelNotFound(f"no {FILE_NAME} in {folder}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ManifestInvalid(f"{path}: {error}") from error
    try:
        return _manifest(table)
    except ManifestInvalid as error:
        raise ManifestInvalid(f"{path}: {error}") from error


def _manifest(table: dict[str, Any]) -> ModelManifest:
    nested: dict[str, Any] = {
        "thresholds": _build(Thresholds, table.pop("thresholds", {}), "thresholds."),
        "calibration": _build(
            Calibration, table.pop("calibration", {}), "calibration."
        ),
    }
    if "severity_intervals" in table:
        nested["severity_intervals"] = _intervals(table.pop("severity_intervals"))
    metrics = table.get("metrics", {})
    if not isinstance(metrics, dict) or not all(map(_is_number, metrics.values())):
        raise ManifestInvalid("metrics is not a table of numbers")
    return _build(ModelManifest, table | nested, "")


def _intervals(table: Any) -> SeverityIntervals:
    """Read the intervals of the three percentages, and their bins."""
    where = "severity_intervals"
    if not isinstance(table, dict):
        raise ManifestInvalid(f"{where} is not a table")
    parts = {
        name: _percent_intervals(part, f"{where}.{name}.")
        for name, part in table.items()
        if name != "coverage"
    }
    return _build(SeverityIntervals, table | parts, f"{where}.")


def _percent_intervals(table: Any, where: str) -> PercentIntervals:
    bins = table.get("bins") if isinstance(table, dict) else None
    if not isinstance(bins, list):
        raise ManifestInvalid(f"{where}bins is not a list of tables")
    made = tuple(_build(PercentBin, one, f"{where}bins.") for one in bins)
    return _build(PercentIntervals, table | {"bins": made}, where)


def _build(kind: type[_T], table: Any, where: str) -> _T:
    """Make a dataclass from a TOML table; unknown, missing or mistyped keys refused."""
    if not isinstance(table, dict):
        raise ManifestInvalid(f"{where.rstrip('.')} is not a table")
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for key in table.keys() - known.keys():
        raise ManifestInvalid(f"unknown key {where}{key}")
    values: dict[str, Any] = {}
    for key, item in known.items():
        if key in table:
            values[key] = _value(table[key], item.type, where + key)
        elif item.default is MISSING and item.default_factory is MISSING:
            raise ManifestInvalid(f"missing key {where}{key}")
    return kind(**values)


def _value(value: Any, kind: Any, where: str) -> Any:
    if kind is float and _is_number(value):
        return float(value)
    if kind == tuple[str, ...] and isinstance(value, list):
        return tuple(_value(item, str, where) for item in value)
    if kind in (str, int, float) and (type(value) is not kind):
        raise ManifestInvalid(f"{where} is not of type {kind.__name__}")
    if kind == tuple[str, ...]:
        raise ManifestInvalid(f"{where} is not a list of strings")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def write_manifest(folder: Path, manifest: ModelManifest) -> Path:
    """Write ``manifest.toml`` so that ``read_manifest`` gives the same back."""
    tables = ("thresholds", "calibration", "metrics", "severity_intervals")
    lines = [
        f"{item.name} = {_toml(getattr(manifest, item.name))}"
        for item in fields(manifest)
        if item.name not in tables
    ]
    for name in tables[:-1]:
        table = getattr(manifest, name)
        pairs = (
            table.items()
            if isinstance(table, Mapping)
            else [(item.name, getattr(table, item.name)) for item in fields(table)]
        )
        lines += ["", f"[{name}]"]
        lines += [f"{json.dumps(key)} = {_toml(value)}" for key, value in pairs]
    lines += _interval_lines(manifest.severity_intervals)
    path = folder / FILE_NAME
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _interval_lines(intervals: SeverityIntervals | None) -> list[str]:
    if intervals is None:
        return []
    lines = ["", "[severity_intervals]", f"coverage = {_toml(intervals.coverage)}"]
    for name in ("total", "right", "left"):
        part: PercentIntervals = getattr(intervals, name)
        bins = ", ".join(_inline(one) for one in part.bins)
        lines += ["", f"[severity_intervals.{name}]"]
        lines += [f"clean_percent = {_toml(part.clean_percent)}", f"bins = [{bins}]"]
    return lines


def _inline(one: PercentBin) -> str:
    pairs = (f"{item.name} = {_toml(getattr(one, item.name))}" for item in fields(one))
    return f"{{ {', '.join(pairs)} }}"


def _toml(value: Any) -> str:
    # JSON's strings, integers and lists are TOML's too, but for the DEL character.
    if isinstance(value, tuple):
        return json.dumps(list(value))
    if isinstance(value, float):
        return repr(round(value, 6))
    return json.dumps(value).replace("\x7f", "\\u007f")
