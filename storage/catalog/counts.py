"""What is said of studies and series by what they hold (DICOM PS3.4 C.3.4)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from storage.database import Transaction
from storage.held import held_instance, held_series


@dataclass(frozen=True, slots=True)
class StudyCounts:
    """How much of a study is held."""

    series: int
    instances: int
    modalities: tuple[str, ...]
    sop_classes: tuple[str, ...]


def of_studies(tx: Transaction, uids: Sequence[str]) -> Mapping[str, StudyCounts]:
    """Count what is held of studies."""
    series, instances = held_series.c, held_instance.c
    modalities: dict[str, list[str]] = defaultdict(list)
    classes: dict[str, dict[str, int]] = defaultdict(dict)
    asked = (
        select(series.study_instance_uid, series.modality)
        .where(series.study_instance_uid.in_(uids))
        .order_by(series.modality)
    )
    for uid, modality in tx.execute(asked):
        modalities[uid].append(modality)
    held = (
        select(instances.study_instance_uid, instances.sop_class_uid, func.count())
        .where(instances.study_instance_uid.in_(uids))
        .group_by(instances.study_instance_uid, instances.sop_class_uid)
    )
    for uid, sop_class, number in tx.execute(held):
        classes[uid][sop_class] = number
    return {
        uid: StudyCounts(
            series=len(modalities[uid]),
            instances=sum(classes[uid].values()),
            modalities=tuple(dict.fromkeys(filter(None, modalities[uid]))),
            sop_classes=tuple(sorted(classes[uid])),
        )
        for uid in uids
    }


def of_series(
    tx: Transaction, uids: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], int]:
    """Count the instances that are held of series, by study and series."""
    place = (held_instance.c.study_instance_uid, held_instance.c.series_instance_uid)
    # Pairs in a list would not be looked up in an index everywhere.
    asked = (
        select(*place, func.count())
        .where(
            place[0].in_({study for study, _ in uids}),
            place[1].in_({series for _, series in uids}),
        )
        .group_by(*place)
    )
    return {(study, series): number for study, series, number in tx.execute(asked)}
