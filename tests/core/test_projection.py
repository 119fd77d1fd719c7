"""A projected context carries no runtime state and no secret, in any spelling, at any depth."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scoria_core import HandOff, Identity, Scoria, StepSpec
from scoria_core.errors import InvalidPayload, UnsafeProjectedContext
from scoria_core.projection import UNSAFE_BEGINNINGS, UNSAFE_ENDINGS, UNSAFE_NAMES

# As the contract lists them.
EXACT = [
    "transcript",
    "transcripts",
    "messages",
    "message_history",
    "history",
    "chat_history",
    "conversation_history",
    "provider_session",
    "provider_state",
    "runtime_state",
    "session",
    "session_state",
    "socket",
    "socket_state",
    "assigns",
    "private",
    "cookies",
    "headers",
    "secrets",
    "environ",
    "request",
    "password",
    "passwd",
    "token",
    "access_token",
    "refresh_token",
    "api_key",
    "authorization",
    "credentials",
]
ENDINGS = [
    "_transcript",
    "_history",
    "_messages",
    "_cookies",
    "_headers",
    "_secrets",
    "_provider_session",
    "_socket",
    "_environ",
    "_request",
    "_password",
    "_passwd",
    "_token",
    "_access_token",
    "_refresh_token",
    "_api_key",
    "_authorization",
    "_credentials",
]
BEGINNINGS = ("provider_session_", "socket_")

NAMES = sorted(
    {*EXACT, *(f"user{ending}" for ending in ENDINGS), *(f"{start}id" for start in BEGINNINGS)}
)


def camel(name: str) -> str:
    """Spell `name` in camelCase."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def pascal(name: str) -> str:
    """Spell `name` in PascalCase."""
    return "".join(word.title() for word in name.split("_"))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "snake": str,
    "upper": str.upper,
    "title": str.title,
    "camel": camel,
    "pascal": pascal,
    "kebab": lambda name: name.replace("_", "-"),
    "train": lambda name: name.replace("_", "-").title(),
    "dotted": lambda name: name.replace("_", "."),
    "spaced": lambda name: name.replace("_", " "),
    "slashed": lambda name: name.replace("_", "/"),
    "doubled": lambda name: name.replace("_", "__"),
    "wrapped": lambda name: f"__{name}__ ",
    "bracketed": lambda name: f"[{name}]",
    "fullwidth": lambda name: "".join(
        chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in name
    ),
}

INNOCENT = [
    "task",
    "draft_answer",
    "brief",
    "historical_notes",
    "tokenizer",
    "tokens_used",
    "sessions_count",
    "session_count",
    "history_of_art",
    "message",
    "messaging",
    "requests_per_minute",
    "request_id",
    "header",
    "cookie_policy",
    "secretary",
    "passwordless",
    "socketry",
    "private_beta",
    "assignments",
    "author",
    "authority",
    "environment",
    "keyboard",
    "api_keyboard",
    "transcription",
    "summary",
    "context",
]

DEPTHS: dict[str, tuple[Callable[[str], dict[str, Any]], Callable[[str], str]]] = {
    "top": (lambda key: {"task": "t", key: "v"}, lambda shown: shown),
    "object": (lambda key: {"a": {"b": {key: "v"}}}, lambda shown: f".a.b{shown}"),
    "list": (lambda key: {"a": [1, {key: "v"}]}, lambda shown: f".a[1]{shown}"),
    "lists": (lambda key: {"a": [[], [[{"b": {key: {}}}]]]}, lambda shown: f".a[1][0][0].b{shown}"),
}


def hand_off(scoria: Scoria, identity: Identity, context: dict[str, Any], **more: Any) -> Any:
    """Start a run that hands off with this context."""
    return scoria.start_handoff_run(
        identity,
        "critic",
        root_role_id="planner",
        delegated_kind="review",
        handoff_input={"session": "an input may say what it wants"},
        **{"projected_context": context, **more},
    )


def shown(key: str) -> str:
    """Return how a path shows a key."""
    return f".{key}" if key.isidentifier() else f"[{key!a}]"


@pytest.fixture
def memory(make_scoria_of: Callable[..., Scoria]) -> Scoria:
    """Return a facade in memory: what is refused here never reaches a store."""
    return make_scoria_of("memory")


def test_the_names_are_those_of_the_contract() -> None:
    """Nothing that the contract refuses is missing from the policy."""
    assert set(EXACT) <= UNSAFE_NAMES
    assert {ending.removeprefix("_") for ending in ENDINGS} <= UNSAFE_ENDINGS
    assert set(BEGINNINGS) <= set(UNSAFE_BEGINNINGS)


@pytest.mark.parametrize("spelling", list(SPELLINGS))
@pytest.mark.parametrize("name", NAMES)
def test_an_unsafe_key_is_refused(
    memory: Scoria, identity: Identity, name: str, spelling: str
) -> None:
    """Every name of the contract is refused in every spelling, at every depth, by its path."""
    key = SPELLINGS[spelling](name)
    for wrap, path in DEPTHS.values():
        with pytest.raises(UnsafeProjectedContext) as unsafe:
            hand_off(memory, identity, wrap(key))
        assert unsafe.value.path == unsafe.value.field == f"projected_context{path(shown(key))}"
        assert unsafe.value.key.replace("_", "") == name.replace("_", "")
    assert not memory.list_runs()


@pytest.mark.parametrize(
    "key",
    [
        *("passWord", "PassWord", "se\u200bssion", "t.o.k.e.n", "To Ken", "CooKies", "\u00adtoken"),
        *("apikey", "ACCESSTOKEN", "chathistory", "userApikey", "X-APIKey", "OAuthToken"),
        *("HTTPHeaders", "mySessionState.token", "awsSecrets", "socketId", "providerSessionId"),
    ],
)
def test_an_odd_spelling_is_refused(memory: Scoria, identity: Identity, key: str) -> None:
    """Humps in odd places, none at all, acronyms and unseen characters do not hide a name."""
    with pytest.raises(UnsafeProjectedContext):
        hand_off(memory, identity, {key: "v"})
    assert not memory.list_runs()


@pytest.mark.parametrize("key", INNOCENT)
def test_an_innocent_key_passes(memory: Scoria, identity: Identity, key: str) -> None:
    """A name that only looks like an unsafe one is projected as it stands, at every depth."""
    for wrap, _ in DEPTHS.values():
        run = hand_off(memory, identity, wrap(key))
        handoff = memory.get_run_detail(run.run_id).delegated_handoffs[0]
        assert handoff.projected_context == wrap(key)


def test_the_message_never_tells_the_value(scoria: Scoria, identity: Identity) -> None:
    """A secret that was refused does not end up in a log by way of the refusal."""
    with pytest.raises(UnsafeProjectedContext) as unsafe:
        hand_off(scoria, identity, {"facts": [{"apiKey": "sk-live-1"}]})
    assert "sk-live-1" not in str(unsafe.value)
    assert "projected_context.facts[0].apiKey" in str(unsafe.value)
    assert not scoria.list_runs()


def test_a_long_key_makes_a_short_message(memory: Scoria, identity: Identity) -> None:
    """A key of any length is refused in a message of one line that can be read."""
    with pytest.raises(UnsafeProjectedContext) as unsafe:
        hand_off(memory, identity, {"x\n" * 50_000 + "_token": 1})
    assert len(str(unsafe.value)) < 500
    assert len(str(unsafe.value).splitlines()) == 1


def test_the_alias_is_checked_too(scoria: Scoria, identity: Identity) -> None:
    """What comes in as `scoped_context` is held to the same rule."""
    with pytest.raises(UnsafeProjectedContext) as unsafe:
        hand_off(scoria, identity, {}, projected_context=None, scoped_context={"Cookies": 1})
    assert unsafe.value.path == "projected_context.Cookies"
    assert not scoria.list_runs()


def test_a_host_adds_names(make_scoria: Callable[..., Scoria], identity: Identity) -> None:
    """A name that the host adds is refused in every spelling, beside those of the kit."""
    scoria = make_scoria(unsafe_context_names=["patientRecord"])
    for key in ("patient_record", "PatientRecord", "PATIENT-RECORD", "patientrecord", "session"):
        with pytest.raises(UnsafeProjectedContext):
            hand_off(scoria, identity, {"facts": {key: 1}})
    assert not scoria.list_runs()
    hand_off(make_scoria(), identity, {"patient_record": 1})


def test_a_host_cannot_remove_names(make_scoria: Callable[..., Scoria], identity: Identity) -> None:
    """Adding none, or one of the kit's, leaves all of the kit's in place."""
    for added in ([], ["token"], ["!token"]):
        scoria = make_scoria(unsafe_context_names=added)
        for name in EXACT:
            with pytest.raises(UnsafeProjectedContext):
                hand_off(scoria, identity, {name: 1})
    assert isinstance(UNSAFE_NAMES, frozenset)
    assert isinstance(UNSAFE_ENDINGS, frozenset)


@pytest.mark.parametrize("names", ["patient", [""], [5], [None], ["a\nb"]])
def test_names_that_are_no_names_are_refused(
    make_scoria: Callable[..., Scoria], names: Any
) -> None:
    """A host that adds what is no collection of names is told so, not left unprotected."""
    with pytest.raises(InvalidPayload) as invalid:
        make_scoria(unsafe_context_names=names)
    assert invalid.value.field == "unsafe_context_names"


def test_an_unsafe_handoff_of_a_handler_fails_its_step(scoria: Scoria, identity: Identity) -> None:
    """The step fails with the path of the key, nothing is handed off, and the run can go on."""
    contexts: Iterator[dict[str, Any]] = iter(
        [{"facts": [{"X-Api-Key": "sk-live-1"}]}, {"facts": []}]
    )

    def hands_off(_: object, __: object) -> HandOff:
        return HandOff(
            delegated_role_id="critic",
            delegated_kind="review",
            handoff_input={},
            projected_context=next(contexts),
        )

    run = scoria.start_run(
        identity,
        root_role_id="planner",
        initial_step=StepSpec("plan", "planner"),
        handlers={"plan": hands_off},
    )
    detail = scoria.get_run_detail(run.run_id)
    assert (run.status, len(detail.steps), detail.delegated_handoffs) == ("failed", 1, ())
    error = detail.steps[0].error
    assert error is not None
    assert error.type == "UnsafeProjectedContext"
    assert "projected_context.facts[0]['X-Api-Key']" in error.message
    assert "sk-live-1" not in repr(detail)
    again = scoria.retry_run(run.run_id, handlers={"plan": hands_off})
    assert again.status == "running"
    assert len(scoria.get_run_detail(run.run_id).delegated_handoffs) == 1
