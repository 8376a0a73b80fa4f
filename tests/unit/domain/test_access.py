from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.domain.access import (
    ROLES,
    WORKSPACE,
    Caller,
    Grant,
    Permission,
    Role,
    Scope,
    Subject,
    allows,
    operator,
    shared,
    visible,
)

BOTH = Subject(function_id="ifnd_1", source_id="src_1")


def test_the_owner_may_do_everything() -> None:
    assert all(allows([Grant(Role.WORKSPACE_OWNER)], each, BOTH) for each in Permission)


def test_every_role_may_read_the_workspace_and_no_other_manages_access_or_reads_the_trail() -> None:
    for role in Role:
        assert allows([Grant(role, frozenset())], Permission.WORKSPACE_READ)
        for owners in (Permission.ACCESS_MANAGE, Permission.AUDIT_READ):
            assert allows([Grant(role)], owners) == (role is Role.WORKSPACE_OWNER)


@pytest.mark.parametrize(
    ("role", "on", "permission", "expected"),
    [
        (Role.FUNCTIONS_ADMIN, None, Permission.FUNCTION_EDIT, True),
        (Role.FUNCTIONS_ADMIN, None, Permission.FUNCTION_CREATE, True),
        (Role.FUNCTIONS_ADMIN, None, Permission.SOURCE_READ, False),
        (Role.FUNCTIONS_ADMIN, {"ifnd_1"}, Permission.FUNCTION_EDIT, True),
        (Role.FUNCTIONS_ADMIN, {"ifnd_2"}, Permission.FUNCTION_EDIT, False),
        (Role.FUNCTIONS_ADMIN, {"ifnd_1"}, Permission.FUNCTION_CREATE, False),
        (Role.FUNCTIONS_ADMIN, {"ifnd_2"}, Permission.FUNCTION_TRY, True),
        (Role.FUNCTIONS_READ_ONLY, None, Permission.FUNCTION_READ, True),
        (Role.FUNCTIONS_READ_ONLY, None, Permission.FUNCTION_EDIT, False),
        (Role.FUNCTIONS_READ_ONLY, None, Permission.FUNCTION_TRY, False),
        (Role.SOURCE_ADMIN, {"src_1"}, Permission.SOURCE_EDIT, True),
        (Role.SOURCE_ADMIN, {"src_2"}, Permission.SOURCE_EDIT, False),
        (Role.SOURCE_ADMIN, {"src_1"}, Permission.SOURCE_CREATE, False),
        (Role.SOURCE_READ_ONLY, None, Permission.SOURCE_READ, True),
        (Role.SOURCE_READ_ONLY, None, Permission.SOURCE_EDIT, False),
        (Role.WORKSPACE_MEMBER, None, Permission.SOURCE_READ, False),
    ],
)
def test_a_role_allows_what_the_table_says(
    role: Role, on: set[str] | None, permission: Permission, expected: bool
) -> None:
    assert allows([Grant(role, None if on is None else frozenset(on))], permission, BOTH) is expected


def test_roles_add_up() -> None:
    grants = [Grant(Role.FUNCTIONS_READ_ONLY), Grant(Role.FUNCTIONS_ADMIN, frozenset({"ifnd_1"}))]
    assert allows(grants, Permission.FUNCTION_EDIT, BOTH)
    assert not allows(grants, Permission.FUNCTION_EDIT, Subject(function_id="ifnd_2"))
    assert allows(grants, Permission.FUNCTION_READ, Subject(function_id="ifnd_2"))


def test_what_is_listed_is_seen_and_all_means_no_list() -> None:
    listed = Grant(Role.SOURCE_ADMIN, frozenset({"src_1"}))
    assert visible([listed, Grant(Role.SOURCE_READ_ONLY, frozenset({"src_2"}))], Permission.SOURCE_READ) == {
        "src_1",
        "src_2",
    }
    assert visible([listed, Grant(Role.WORKSPACE_OWNER)], Permission.SOURCE_READ) is None
    assert visible([listed], Permission.FUNCTION_READ) == frozenset()


def test_a_token_never_has_more_rights_than_both_it_and_its_creator() -> None:
    owner = (Grant(Role.WORKSPACE_OWNER),)
    narrow = (Grant(Role.SOURCE_ADMIN, frozenset({"src_1"})),)
    for grants, within in ((owner, narrow), (narrow, owner)):
        token = Caller("tok_1", "ws_1", grants, within)
        assert token.may(Permission.SOURCE_EDIT, BOTH)
        assert not token.may(Permission.SOURCE_EDIT, Subject(source_id="src_2"))
        assert not token.may(Permission.AUDIT_READ)
        assert token.sees(Permission.SOURCE_READ) == {"src_1"}
    apart = Caller("tok_1", "ws_1", narrow, (Grant(Role.SOURCE_ADMIN, frozenset({"src_2"})),))
    assert apart.sees(Permission.SOURCE_READ) == frozenset()


def test_who_runs_commands_on_the_data_dir_owns_all_of_it() -> None:
    assert operator("ws_1").may(Permission.ACCESS_MANAGE, WORKSPACE)
    assert set(ROLES) == set(Role)


def test_what_two_roles_have_in_common_is_a_role() -> None:
    known = {facts.permissions for facts in ROLES.values()}
    assert {one & other for one in known for other in known} <= known


NAMES = {Scope.FUNCTION: ("ifnd_1", "ifnd_2"), Scope.SOURCE: ("src_1", "src_2")}


@st.composite
def some_grants(draw: st.DrawFn) -> tuple[Grant, ...]:
    found = []
    for role in draw(st.lists(st.sampled_from(Role), max_size=3)):
        names = NAMES.get(ROLES[role].scope)
        ids = st.none() | st.frozensets(st.sampled_from(names)) if names else st.none()
        found.append(Grant(role, draw(ids)))
    return tuple(found)


@given(some_grants(), some_grants())
def test_what_is_shown_of_a_token_allows_what_it_and_its_creator_both_may(
    own: tuple[Grant, ...], within: tuple[Grant, ...]
) -> None:
    caller, both = Caller("tok_1", "ws_1", own, within), shared(own, within)
    for function in (None, *NAMES[Scope.FUNCTION]):
        for source in (None, *NAMES[Scope.SOURCE]):
            for permission in Permission:
                on = Subject(function, source)
                assert allows(both, permission, on) == caller.may(permission, on)


def test_what_a_role_covers_is_not_shown_beside_it() -> None:
    functions, owner = Grant(Role.FUNCTIONS_ADMIN), Grant(Role.WORKSPACE_OWNER)
    assert shared([owner], [functions, Grant(Role.WORKSPACE_MEMBER)]) == (functions,)
    assert shared([owner], []) == ()
