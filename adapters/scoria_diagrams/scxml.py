"""SCXML; several lifecycles are the regions of one parallel state, their events `run.complete`.

A guard becomes a variable of the document, which is true until the program that runs it changes
it. Names that cannot be ids are kept in `scoria:label`.
"""

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from scoria_diagrams.lifecycle import Lifecycle, Transition
from scoria_diagrams.names import ids, label

_LABEL = "scoria:label"
# An interpreter raises events that start with these words by itself.
_RESERVED = "done|error"


def one(lifecycle: Lifecycle) -> str:
    """Return a lifecycle as a document that an SCXML interpreter runs."""
    (name,) = ids([lifecycle.name], "lifecycle").values()
    guards = _guards([lifecycle])
    document = _document(name, guards)
    document.set("initial", ids(lifecycle.states, "state")[lifecycle.initial])
    document.extend(_states(lifecycle, "", guards))
    return _text(document)


def several(lifecycles: Sequence[Lifecycle]) -> str:
    """Return lifecycles as one document that runs them side by side."""
    subjects = ids((each.name for each in lifecycles), "lifecycle")
    guards = _guards(lifecycles)
    document = _document("lifecycles", guards)
    regions = ElementTree.SubElement(document, "parallel", id="lifecycles")
    for each in lifecycles:
        regions.append(_region(each, subjects[each.name], guards))
    return _text(document)


def _document(name: str, guards: dict[str, str]) -> ElementTree.Element:
    document = ElementTree.Element("scxml", _NAMESPACES | {"version": "1.0", "name": name})
    if guards:
        document.set("datamodel", "ecmascript")
        data = ElementTree.SubElement(document, "datamodel")
        for guard, id_ in guards.items():
            ElementTree.SubElement(data, "data", {"id": id_, "expr": "1", _LABEL: label(guard)})
    return document


_NAMESPACES = {"xmlns": "http://www.w3.org/2005/07/scxml", "xmlns:scoria": "urn:scoria-kit:diagram"}


def _guards(lifecycles: Iterable[Lifecycle]) -> dict[str, str]:
    found = {move.guard: None for each in lifecycles for move in each.transitions if move.guard}
    return {guard: f"guard_{number}" for number, guard in enumerate(found, 1)}


def _region(lifecycle: Lifecycle, subject: str, guards: dict[str, str]) -> ElementTree.Element:
    named = ids(lifecycle.states, "state")
    initial = f"{subject}.{named[lifecycle.initial]}"
    region = _labelled("state", lifecycle.name, subject)
    region.set("initial", initial)
    region.extend(_states(lifecycle, f"{subject}.", guards))
    return region


def _states(
    lifecycle: Lifecycle, prefix: str, guards: dict[str, str]
) -> Iterable[ElementTree.Element]:
    named = {state: f"{prefix}{id_}" for state, id_ in ids(lifecycle.states, "state").items()}
    events = _events(lifecycle, prefix)
    for state, id_ in named.items():
        tag = "final" if lifecycle.is_terminal(state) else "state"
        element = _labelled(tag, state, id_, prefix)
        for move in lifecycle.leaving(state):
            element.append(_transition(move, events, named, guards))
        yield element


def _events(lifecycle: Lifecycle, prefix: str) -> dict[str, str]:
    named = ids(lifecycle.triggers, "trigger", _RESERVED)
    return {trigger: f"{prefix}{id_}" for trigger, id_ in named.items()}


def _transition(
    move: Transition, events: dict[str, str], named: dict[str, str], guards: dict[str, str]
) -> ElementTree.Element:
    event = events[move.trigger]
    element = ElementTree.Element("transition", {"event": event})
    if move.guard:
        element.set("cond", guards[move.guard])
    if not move.internal:
        element.set("target", named[move.dest])
    if event.rpartition(".")[2] != move.trigger:
        element.set(_LABEL, label(move.trigger))
    return element


def _labelled(tag: str, name: str, id_: str, prefix: str = "") -> ElementTree.Element:
    element = ElementTree.Element(tag, {"id": id_})
    if id_ != prefix + name:
        element.set(_LABEL, label(name))
    return element


def _text(document: ElementTree.Element) -> str:
    ElementTree.indent(document)
    body = ElementTree.tostring(document, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'
