"""Who runs what: all in one, and apart, with those who deliver apart or not."""

import pytest

from dicom_node.node.roles import Role

PARTS = (Role.RECEIVE, Role.WEB, Role.WORK, Role.DELIVER)


@pytest.mark.parametrize("apart", [False, True])
def test_one_process_for_everything_runs_every_part(apart):
    assert all(Role.ALL.includes(part, delivers_apart=apart) for part in PARTS)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("role", [Role.RECEIVE, Role.WEB, Role.DELIVER])
def test_who_does_one_thing_does_no_other(role, apart):
    done = {part for part in PARTS if role.includes(part, delivers_apart=apart)}
    assert done == {role}


def test_a_worker_delivers_unless_others_do():
    assert Role.WORK.includes(Role.DELIVER, delivers_apart=False)
    assert not Role.WORK.includes(Role.DELIVER, delivers_apart=True)
    assert Role.WORK.includes(Role.WORK, delivers_apart=True)
