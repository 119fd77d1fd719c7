"""Steps about who acts, and about who is recorded."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.cases import Cases
from scoria_conformance.world import TENANT, World
from scoria_core import Identity
from scoria_core.identity import EDGE_NAMES

ID = UUID("6f0e0c5a-3c1d-4e0b-9d52-0a1b2c3d4e5f")

VALUES: dict[str, Any] = {
    "missing": None,
    "blank": " \t",
    "a list": ["a"],
    "true": True,
    "a fraction": 1.5,
    'the text "42"': "42",
    "the number 42": 42,
    "a UUID": ID,
    "an object whose id is 42": SimpleNamespace(id=42, cookie="hidden"),
    "an object whose id is a UUID": SimpleNamespace(id=ID),
    "a mapping whose id is 42": {"id": "42", "token": "hidden"},
}
"""Ids as a host has them, by the words of the features."""

WRITTEN_OUT = {"actor_id": "7", "tenant_id": TENANT, "session_id": "session-1"}


def _as_names(tenant_id: str | None) -> dict[str, Any]:
    return {**WRITTEN_OUT, "tenant_id": tenant_id, "token": "hidden"}


def _as_objects(tenant_id: str | None) -> dict[str, Any]:
    user = SimpleNamespace(id=7, cookie="hidden")
    account = {"id": tenant_id} if tenant_id else None
    session = {"current_user": user, "current_account": account, "cookies": {"token": "hidden"}}
    return {**session, "assistant_session_id": "session-1"}


def _as_ids(tenant_id: str | None) -> dict[str, Any]:
    ids = {"user_id": 7, "account_id": tenant_id, "assistant_session_id": "session-1"}
    return {**ids, "token": "hidden"}


def _taken(edge: str, tenant_id: str | None) -> Identity:
    names, objects = _as_names(tenant_id), _as_objects(tenant_id)
    match edge:
        case "a session":
            return Identity.from_session(names)
        case "a session as the guide keeps it":
            return Identity.from_session(_as_ids(tenant_id))
        case "a session of another framework":
            return Identity.from_session(objects)
        case "a request state":
            return Identity.from_request_state(SimpleNamespace(**names))
        case "a request state with objects":
            return Identity.from_request_state(SimpleNamespace(**objects))
    assert edge == "a request state that is a mapping"
    return Identity.from_request_state(names)


@when(parsers.re(r"an identity is made with (?P<field>\w+_id) (?P<value>.+)"))
def _an_identity_is_made(world: World, field: str, value: str) -> None:
    world.attempt(lambda: world.identity(**{field: VALUES[value]}))


@when("an identity is made whose metadata holds bytes")
def _an_identity_is_made_whose_metadata_holds_bytes(world: World) -> None:
    world.attempt(lambda: world.identity(metadata={"value": b"raw"}))


@when(parsers.parse("a run is started for an actor, a tenant and a session given as {value}"))
def _a_run_is_started_for_an_actor_a_tenant(world: World, value: str) -> None:
    ids = dict.fromkeys(("actor_id", "tenant_id", "session_id"), VALUES[value])
    world.run_id = world.scoria.start_run(world.identity(**ids), root_role_id="executor").run_id


@then(parsers.parse('their ids read back as "{text}"'))
def _their_ids_read_back(world: World, text: str) -> None:
    summary, identity = world.detail.summary, world.detail.identity
    for kept in (summary, identity):
        assert (kept.actor_id, kept.tenant_id, kept.session_id) == (text, text, text)


@when(parsers.parse("an identity is taken from {edge} that holds a token too"))
def _an_identity_is_taken_from_that_holds_a_token(world: World, edge: str) -> None:
    world.returned = _taken(edge, TENANT)


@when(parsers.parse("an identity is taken from {edge} without a tenant"))
def _an_identity_is_taken_from_without_a_tenant(world: World, edge: str) -> None:
    world.attempt(lambda: _taken(edge, None))


@then("it equals the one written out, and the token is not in it")
def _it_equals_the_one_written_out_and_the_token(world: World) -> None:
    assert world.returned == Identity(**WRITTEN_OUT)
    assert "hidden" not in str(attrs.asdict(world.returned))


@then("the run kept its run_id, session_id, tenant_id and actor_id")
def _the_run_kept_its_run_id_session_id_tenant_id(world: World) -> None:
    summary = world.scoria.get_run(world.run_id)
    kept = (summary.run_id, summary.session_id, summary.tenant_id, summary.actor_id)
    assert kept == (world.run_id, "session-1", TENANT, "user-1")
    assert world.returned.run_id == world.run_id
    assert len(world.scoria.list_runs()) == 1


@then("each id is what the first of its names holds, be it 0, whatever the others hold")
def _each_id_is_what_the_first_of_its_names_holds() -> None:
    plain = {field: names[0] for field, names in EDGE_NAMES.items()}
    with Cases() as cases:
        for field, names in EDGE_NAMES.items():
            for number, name in enumerate(names):
                held = {each: f"the {each}" for each in plain.values() if each != plain[field]}
                held |= {each: f"another {each}" for each in names[number + 1 :]}
                for value in (0, 7, "so"):
                    for take in (Identity.from_session, _from_state):
                        found = getattr(take({**held, name: value}), field)
                        cases.equal(f"{field} of {name}={value!r}", str(value), found)


def _from_state(held: Mapping[str, Any]) -> Identity:
    return Identity.from_request_state(SimpleNamespace(**held))
