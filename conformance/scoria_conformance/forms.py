"""The forms of a page as a browser sends them: their fields, and the buttons to choose from."""

from html.parser import HTMLParser

import attrs

from scoria_conformance.markup import seen
from scoria_conformance.page_requests import Answer, Request, Scope, Site, links_of

Fields = tuple[tuple[str, str], ...]

UNSENT = frozenset({"button", "checkbox", "file", "image", "radio", "reset", "submit"})
"""Types of inputs that a browser sends only after an action of the user."""


@attrs.define
class Form:
    """A form; `hidden` names the fields that no user fills in; `buttons` are names and values."""

    action: str
    method: str
    fields: list[tuple[str, str]] = attrs.field(factory=list)
    hidden: list[str] = attrs.field(factory=list)
    buttons: list[tuple[str, str]] = attrs.field(factory=list)


class _Reader(HTMLParser):
    """Keeps the forms of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._text: tuple[str, list[str]] | None = None
        self._choices: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._form = Form(told.get("action", ""), told.get("method", "get").lower())
            self.forms.append(self._form)
        if tag == "option" and self._choices is not None:
            value, chosen = told.get("value", ""), self._choices[1]
            self._choices = (self._choices[0], [value] if "selected" in told else chosen or [value])
        if self._form is None or "name" not in told:
            return
        field = (told["name"], told.get("value", ""))
        kind = told.get("type", "submit" if tag == "button" else "text").lower()
        if kind == "submit":
            self._form.buttons.append(field)
        elif tag == "input" and kind not in UNSENT:
            self._form.fields.append(field)
            self._form.hidden += [field[0]] if kind == "hidden" else []
        elif tag == "textarea":
            self._text = (told["name"], [])
        elif tag == "select":
            self._choices = (told["name"], [])

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text is not None and self._form is not None:
            name, pieces = self._text
            self._form.fields.append((name, "".join(pieces).removeprefix("\n")))
            self._text = None
        if tag == "select" and self._choices is not None and self._form is not None:
            self._form.fields += [(self._choices[0], value) for value in self._choices[1]]
            self._choices = None
        if tag == "form":
            self._form = None


def forms_of(page: str) -> list[Form]:
    """Return the forms of a page."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.forms


@attrs.frozen
class Sheet:
    """A form that decides a request, as a user has opened it."""

    address: Request
    fields: Fields
    hidden: tuple[str, ...]
    buttons: Fields

    def pressed(self, decision: str, **changed: str | None) -> Request:
        """Return the request that a button sends, with some fields changed or left out (None)."""
        fields = {**dict(self.fields), **changed}
        sent = [(name, value) for name, value in fields.items() if value is not None]
        sent += [button for button in self.buttons if button[1] == decision]
        return attrs.evolve(self.address, method="POST", form=tuple(sent))


def sheets(site: Site, scope: Scope, run_id: str) -> list[Sheet]:
    """Open the page of a run and the pages it links to; return the forms that decide."""
    pages = [Request(f"/workflows/{run_id}")]
    first = site.ask(scope, pages[0])
    pages += dict.fromkeys(
        each for each in links_of(pages[0], seen(first.text).links) if each != pages[0]
    )
    return [
        sheet
        for page in pages
        for sheet in sheets_on(page, first if page == pages[0] else site.ask(scope, page))
    ]


def sheets_on(page: Request, answer: Answer) -> list[Sheet]:
    """Return the forms of a page that decide."""
    found = []
    for form in forms_of(answer.text):
        values = {value for _, value in form.buttons}
        if form.method != "post" or values.isdisjoint({"approve", "reject"}):
            continue
        for address in links_of(page, [form.action or page.address]):
            found.append(
                Sheet(address, tuple(form.fields), tuple(form.hidden), tuple(form.buttons))
            )
    return found
