"""Who may do what: owner, stranger, organisation, anonymous, on a Space and on a personal machine."""

from pathlib import Path

import pytest

from engine.access import Access
from engine.errors import UserError
from engine.settings import Settings
from tests.hub_server import HubServer

OWNERS_SECRET = "hf_alice"


def on_space(author: str = "alice", space_id: str = "alice/annotune") -> Access:
    settings = Settings(data_root=Path("unused"), space_id=space_id, space_author=author, hf_token=OWNERS_SECRET)
    return Access(settings)


def on_machine(hf_token: str = "") -> Access:
    return Access(Settings(data_root=Path("unused"), hf_token=hf_token))


def test_space_never_lends_the_owner_s_token_to_a_visitor() -> None:
    assert on_space().token_for(None) is None
    assert on_space().token_for("") is None
    assert on_space().token_for("mock-oauth-token-for-local-dev") is None
    assert on_space().token_for("hf_bob:openid") == "hf_bob:openid"


def test_space_ignores_a_token_stored_in_its_image(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "hf_home").mkdir()
    (tmp_path / "hf_home" / "token").write_text("hf_alice", encoding="utf-8")
    assert on_space().token_for(None) is None
    assert on_machine().token_for(None) == "hf_alice"


def test_own_machine_uses_the_sign_in_then_the_environment(hub: HubServer) -> None:
    assert on_machine("hf_me").token_for("hf_me:openid") == "hf_me:openid"
    assert on_machine("hf_me").token_for("mock-oauth-token-for-local-dev") == "hf_me"
    assert on_machine().token_for(None) is None


def test_anyone_at_a_personal_machine_may_train() -> None:
    assert on_machine().may_train(None, None)


def test_owner_of_a_space_may_train() -> None:
    assert on_space().may_train("alice", "hf_alice:openid")
    assert on_space(author="Alice").may_train("alice", "hf_alice:openid")


def test_stranger_is_refused_with_the_way_to_a_space_of_their_own(hub: HubServer) -> None:
    with pytest.raises(UserError) as refused:
        on_space().require_owner("bob", "hf_bob:openid,read-memberships")
    assert refused.value.message == (
        "This Space belongs to alice, and you are signed in as bob: its data, runs and models are not open to you."
    )
    assert refused.value.hint == (
        "Duplicate the Space to train in your own account: https://huggingface.co/spaces/alice/annotune?duplicate=true"
    )


@pytest.mark.parametrize(
    ("username", "token"), [(None, None), ("alice", None), ("alice", "mock-oauth-token"), ("", "")]
)
def test_visitor_without_a_real_sign_in_is_refused(username: str | None, token: str | None) -> None:
    with pytest.raises(UserError, match="Sign in to work here."):
        on_space().require_owner(username, token)


@pytest.mark.parametrize(
    ("role", "allowed"), [("admin", True), ("write", True), ("read", False), ("contributor", False)]
)
def test_space_of_an_organisation_is_open_to_its_admins_and_writers(hub: HubServer, role: str, allowed: bool) -> None:
    hub.add_org("acme", bob=role)
    access = on_space(author="acme", space_id="acme/annotune")
    assert access.may_train("bob", "hf_bob:openid,read-memberships") is allowed


def test_roles_are_asked_for_once_in_a_while(hub: HubServer) -> None:
    hub.add_org("acme", bob="admin")
    access = on_space(author="acme", space_id="acme/annotune")
    assert [access.may_train("bob", "hf_bob") for _ in range(5)] == [True] * 5
    assert len(hub.requests) == 1
    assert not access.may_train("carol", "hf_carol")


def test_space_that_names_no_owner_is_closed() -> None:
    access = on_space(author="")
    assert not access.may_train("", "hf_x")
    with pytest.raises(UserError, match="This Space does not say who owns it, so nobody may train here."):
        access.require_owner("bob", "hf_bob")


def test_forged_name_does_not_open_an_organisation(hub: HubServer) -> None:
    hub.add_org("acme", alice="admin")
    assert not on_space(author="acme", space_id="acme/annotune").may_train("alice", "hf_bob")
