"""What is held is found by every kind of matching, on both databases."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from storage import holdings
from storage.catalog import counts, instances, retention
from storage.catalog.matching import matching_of
from storage.catalog.query import Key, Query, attribute_of, find, find_objects
from storage.descriptions import Description, Entity, ItemValue
from storage.errors import QueryInvalid
from storage.held import Level, held_item, held_series, held_study
from storage.outbox.evidence import add_evidence
from tests.factories.rows import NOW, an_evidence, an_instance, receive

PATIENTS = [
    ("P1", "doe^john", "20260101", "CR"),
    ("P2", "doe^jane", "20260102", "DX"),
    ("P3", "müller^anna=山田^太郎=やまだ^たろう", "20260103", "CR"),
    ("P_4", "roe%[x]^bob", "20260301", "CR"),
]


def described(number, patient, name, date, modality):
    study = Entity(
        {
            "PatientID": patient,
            "PatientName": name,
            "StudyDate": date,
            "StudyTime": f"{number:02d}0000.000000",
            "PatientSex": "F" if number % 2 else "M",
        },
        attributes=f'{{"number":{number}}}',
    )
    items = (
        ItemValue("RequestAttributesSequence", 0, "RequestedProcedureID", "R1"),
        ItemValue("RequestAttributesSequence", 0, "ScheduledProcedureStepID", "S1"),
        ItemValue("RequestAttributesSequence", 1, "RequestedProcedureID", f"R{number}"),
        ItemValue("RequestAttributesSequence", 1, "ScheduledProcedureStepID", "S2"),
    )
    series = Entity({"Modality": modality, "SeriesNumber": "1"}, items)
    instance = Entity(
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "InstanceNumber": "7"}
    )
    return Description(study, series, instance, "1.2.840.10008.1.2.1")


@pytest.fixture
def filled(database):
    with database.transaction() as tx:
        for number, (patient, name, date, modality) in enumerate(PATIENTS, 1):
            one = an_instance(
                number,
                study_instance_uid=f"1.5.{number}",
                series_instance_uid=f"1.6.{number}",
                description=described(number, patient, name, date, modality),
            )
            instances.add_instance(tx, one)
    return database


def asked(level=Level.STUDY, **keys):
    made = []
    for name, value in keys.items():
        path = tuple(name.split("__"))
        matching = matching_of(attribute_of(path).kind, value)
        if matching is not None:
            made.append(Key(path, matching))
    return Query(level, tuple(made))


def studies(database, **keys):
    with database.transaction(read_only=True) as tx:
        found = find(tx, asked(**keys)).matches
    return [match.uids[0].removeprefix("1.5.") for match in found]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, "4321"),
        ({"PatientID": "P2"}, "2"),
        ({"PatientID": "p2"}, ""),
        ({"PatientID": "P*"}, "1234"),
        ({"PatientID": "P?"}, "123"),
        ({"PatientID": "P_*"}, "4"),
        ({"PatientID": ""}, "4321"),
        ({"PatientID": "*"}, "4321"),
        ({"PatientName": "DOE^John"}, "1"),
        ({"PatientName": "Doe^John^^^"}, "1"),
        ({"PatientName": "doe*"}, "21"),
        ({"PatientName": "*jane"}, "2"),
        ({"PatientName": "DOE^J?NE"}, "2"),
        ({"PatientName": "MÜLLER*"}, "3"),
        ({"PatientName": "*山田*"}, "3"),
        ({"PatientName": "roe%[x]*"}, "4"),
        ({"PatientName": "roe*[x]*"}, "4"),
        ({"PatientName": "roe%?x]*"}, "4"),
        ({"PatientName": "r[o]e*"}, ""),
        ({"PatientName": "r%e*"}, ""),
        ({"StudyDate": "20260102"}, "2"),
        ({"StudyDate": "20260102-20260103"}, "32"),
        ({"StudyDate": "20260103-"}, "43"),
        ({"StudyDate": "-20260101"}, "1"),
        ({"StudyDate": "2026.01.02"}, "2"),
        ({"StudyTime": "02"}, "2"),
        ({"StudyTime": "0100-0230"}, "21"),
        ({"StudyInstanceUID": r"1.5.1\1.5.4\1.5.9"}, "14"),
        ({"StudyInstanceUID": "1.5.1,1.5.4"}, "14"),
        ({"ModalitiesInStudy": "DX"}, "2"),
        ({"ModalitiesInStudy": r"CR\DX", "StudyDate": "-20260102"}, "21"),
        ({"ModalitiesInStudy": "CR", "PatientSex": "M"}, "4"),
        ({"PatientSex": "M", "StudyDate": "20260101-20260131"}, "2"),
        ({"PatientID": "P1", "StudyDate": "20260102"}, ""),
    ],
)
def test_studies_are_found(filled, keys, found):
    assert "".join(studies(filled, **keys)) == found


def test_one_item_has_to_meet_all_keys_of_a_sequence(filled):
    sequence = "RequestAttributesSequence"
    both = {
        f"{sequence}__RequestedProcedureID": "R2",
        f"{sequence}__ScheduledProcedureStepID": "S2",
    }
    query = asked(Level.SERIES, **both)
    with filled.transaction(read_only=True) as tx:
        assert [match.uids[1] for match in find(tx, query).matches] == ["1.6.2"]
        apart = asked(
            Level.SERIES, **both | {f"{sequence}__ScheduledProcedureStepID": "S1"}
        )
        assert find(tx, apart).matches == []


def test_lower_levels_are_found_by_what_stands_above_them(filled):
    with filled.transaction(read_only=True) as tx:
        query = asked(Level.INSTANCE, PatientName="doe*", Modality="CR")
        (match,) = find(tx, query).matches
        narrowed = Query(Level.INSTANCE).within(study_instance_uid="1.5.3")
        (held,) = find_objects(tx, narrowed)
        (series,) = find(tx, asked(Level.SERIES, Modality="DX")).matches
        by_class = asked(
            Level.INSTANCE, SOPClassUID="1.2.840.10008.5.1.4.1.1.1", InstanceNumber="07"
        )
        assert len(find(tx, by_class).matches) == 4
    assert match.uids == ("1.5.1", "1.6.1", "1.2.3.1")
    assert match.attributes[Level.STUDY] == '{"number":1}'
    assert held.object_key == an_instance(3).object_key
    assert series.uids == ("1.5.2", "1.6.2")


def test_pages_follow_each_other_without_a_gap(filled):
    seen = []
    for offset in range(0, 6, 2):
        query = replace(asked(PatientID="P*"), limit=2, offset=offset)
        with filled.transaction(read_only=True) as tx:
            page = find(tx, query)
        seen.append(([match.uids[0] for match in page.matches], page.is_more))
    assert seen == [
        (["1.5.1", "1.5.2"], True),
        (["1.5.3", "1.5.4"], False),
        ([], False),
    ]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyDate", "yesterday"),
        ("StudyDate", "-"),
        ("StudyDate", "20260101-2026"),
        ("StudyTime", "25:1"),
        ("StudyInstanceUID", "1.2.x"),
        ("StudyInstanceUID", "1." * 40 + "1"),
        ("StudyInstanceUID", ","),
        ("SeriesNumber", "one"),
        ("PatientID", "P" * 2000),
    ],
)
def test_what_no_attribute_can_be_is_refused(keyword, value):
    with pytest.raises(QueryInvalid):
        matching_of(attribute_of((keyword,)).kind, value)


def test_a_patient_is_known_no_longer_than_an_image_is_held(filled):
    with filled.transaction() as tx:
        retention.forget_object(tx, "1.2.3.1", NOW)
        left = [
            str(row)
            for table in (held_study, held_series, held_item)
            for row in tx.execute(select(table)).mappings()
        ]
    assert not any("doe^john" in row or "1.6.1'" in row for row in left)
    assert studies(filled, PatientName="doe*") == ["2"]


def test_a_study_stays_with_its_last_object(database):
    receive(database, 1, 2)
    with database.transaction() as tx:
        add_evidence(tx, "1.9.1", [an_evidence(1)])
        before = counts.of_studies(tx, ["1.2.3"])["1.2.3"]
        retention.forget_object(tx, "1.2.3.1", NOW)
        retention.forget_object(tx, "1.2.3.2", NOW)
        after = counts.of_studies(tx, ["1.2.3"])["1.2.3"]
        assert len(find(tx, Query(Level.STUDY)).matches) == 1
        retention.forget_object(tx, "1.7.1", NOW)
        assert find(tx, Query(Level.STUDY)).matches == []
    assert (before.series, before.instances, before.modalities) == (2, 3, ("CR",))
    assert (after.series, after.instances) == (1, 1)


def test_what_comes_again_is_found_again(database):
    receive(database, 1)
    with database.transaction() as tx:
        retention.forget_object(tx, "1.2.3.1", NOW)
        assert find(tx, Query(Level.INSTANCE)).matches == []
        instances.add_instance(tx, an_instance(1))
        assert len(find(tx, Query(Level.INSTANCE)).matches) == 1


def test_what_nobody_described_is_listed_until_somebody_does(database):
    receive(database, 1)
    said = described(1, "P1", "doe^john", "20260101", "CR")
    with database.transaction() as tx:
        assert holdings.bare(tx, "", limit=9) == [
            ("1.2.3.1", an_instance(1).object_key)
        ]
        holdings.describe(tx, "1.2.3.1", said)
        holdings.describe(tx, "1.2.3.1", described(2, "P2", "roe", "20260101", "DX"))
        assert holdings.bare(tx, "", limit=9) == []
        (match,) = find(tx, asked(PatientName="doe*", ModalitiesInStudy="CR")).matches
    assert match.uids == ("1.2.3",)
