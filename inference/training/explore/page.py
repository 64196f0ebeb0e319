"""The page: tables, warnings and pictures in one HTML file that needs no other."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from inference.training.explore.gather import Glance, Unreadable
from inference.training.explore.shortcuts import Shortcut
from inference.training.explore.twins import TwinPair

_MOST_ROWS = 40
_FAR = 5.0  # median absolute deviations
_STYLE = (
    "body{font:15px/1.5 sans-serif;margin:2em auto;max-width:1120px;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;"
    "padding:.2em .7em;text-align:left}img{max-width:100%}"
    ".warn{background:#fdecea;border-left:4px solid #c0392b;padding:.4em 1em}"
)


def write_page(
    path: Path,
    name: str,
    seen: Sequence[Glance],
    broken: Sequence[Unreadable],
    facts: tuple[Sequence[Shortcut], Sequence[TwinPair]],
    pictures: Mapping[str, Path],
) -> None:
    """Write it."""
    telling, pairs = facts
    parts = [
        f"<h1>{escape(name)}</h1>",
        _counts(seen),
        *_warnings(telling, pairs, broken),
        "<h2>What tells the class without the film</h2>",
        "<p>AUROC of one fact alone; 0.5 tells nothing.</p>",
        _table(
            ("fact", "AUROC", "films"),
            [(one.fact, f"{one.auroc:.3f}", one.films) for one in telling],
        ),
        *(_picture(title, file) for title, file in pictures.items()),
        "<h2>Missing values</h2>",
        _missing(seen),
        "<h2>Duplicates</h2>",
        _twins(pairs),
        "<h2>Outliers</h2>",
        "<p>More than five median deviations from the middle.</p>",
        _outliers(seen),
    ]
    if broken:
        rows = [(one.key, one.why) for one in broken[:_MOST_ROWS]]
        parts += ["<h2>Not readable</h2>", _table(("film", "why"), rows)]
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(name)}'
        f"</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )
    path.write_text(html, encoding="utf-8")


def _counts(seen: Sequence[Glance]) -> str:
    patients = len({one.sample.patient for one in seen})
    labels = Counter(one.label for one in seen)
    opacities = sum(len(one.sample.opacities) for one in seen)
    folds = Counter(one.sample.fold for one in seen)
    rows = [
        ("films", len(seen)),
        ("patients", patients),
        *((f"films: {label}", count) for label, count in labels.most_common()),
        ("opacities", opacities),
        ("films by fold", ", ".join(f"{f}: {n}" for f, n in sorted(folds.items()))),
    ]
    return _table(("", ""), rows)


def _warnings(
    telling: Sequence[Shortcut],
    pairs: Sequence[TwinPair],
    broken: Sequence[Unreadable],
) -> list[str]:
    said = [
        f"<b>{escape(one.fact)}</b> alone tells the class: AUROC {one.auroc:.2f} on"
        f" {one.films} films. Report per group, and sample so that it cannot."
        for one in telling
        if one.warns
    ]
    across = sum(one.across for one in pairs)
    if across:
        said.append(f"<b>{across}</b> films are in two folds.")
    if broken:
        said.append(f"<b>{len(broken)}</b> films could not be read.")
    return [f'<p class="warn">{text}</p>' for text in said]


def _missing(seen: Sequence[Glance]) -> str:
    lacking = {
        "age": [one for one in seen if one.age is None],
        "sex": [one for one in seen if one.sex is None],
        "view": [one for one in seen if one.view is None],
        "pixel spacing": [one for one in seen if one.spacing_mm is None],
        "class": [one for one in seen if one.label == "unknown"],
    }
    rows = []
    for name, films in lacking.items():
        by_source = Counter(one.sample.source for one in films).most_common(4)
        where = ", ".join(f"{source}: {count}" for source, count in by_source)
        rows.append((name, len(films), f"{len(films) / len(seen):.0%}", where))
    return _table(("fact", "films without", "share", "most in"), rows)


def _twins(pairs: Sequence[TwinPair]) -> str:
    if not pairs:
        return "<p>None found.</p>"
    rows = [
        (
            one.first,
            one.second,
            f"{one.folds[0]} and {one.folds[1]}",
            "same file" if one.exact else "same picture",
        )
        for one in pairs[:_MOST_ROWS]
    ]
    head = (
        f"<p>{len(pairs)} pairs, {sum(one.across for one in pairs)} across folds.</p>"
    )
    return head + _table(("film", "and", "folds", "how"), rows)


def _outliers(seen: Sequence[Glance]) -> str:
    rows: list[tuple[object, ...]] = []
    facts = {
        "mean grey": np.array([one.mean for one in seen]),
        "contrast": np.array([one.spread for one in seen]),
        "height / width": np.array([one.rows / one.columns for one in seen]),
    }
    for name, values in facts.items():
        middle = np.median(values)
        far = np.abs(values - middle)
        scale = max(float(np.median(far)), 1e-3)
        places = np.flatnonzero(far > _FAR * scale)
        places = places[np.argsort(-far[places])]
        rows += [
            (seen[place].sample.key, name, f"{values[place]:.3f}", f"{middle:.3f}")
            for place in places[: _MOST_ROWS // len(facts)].tolist()
        ]
    ages = [one for one in seen if one.age is not None and not 0 <= one.age <= 110]  # noqa: PLR2004  of people
    rows += [(one.sample.key, "age", f"{one.age:g}", "0 to 110") for one in ages]
    return _table(("film", "fact", "value", "middle"), rows) if rows else "<p>None.</p>"


def _picture(title: str, file: Path) -> str:
    coded = base64.b64encode(file.read_bytes()).decode("ascii")
    source = f"data:image/png;base64,{coded}"
    return f'<h2>{escape(title)}</h2><img alt="{escape(title)}" src="{source}">'


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(str(one))}</td>" for one in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>{lines}</table>"
