"""What the pages of people's part share: inputs, lists, one thing with its acts, and their frame.

Each page says what it lists, what it asks and which verb it calls; here is how that is shown, and
how a refusal of a verb comes back to the form with the name of its field. Verbs: acting.py and its
neighbours. Templates: templates/compliance/people_*.html.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Final

from django.db.models import F, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.request import QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse

from audit.admin.acts import Look, number, read_look, say
from audit.admin.entry_form import address
from audit.models import Ledger
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.state import ledger_state
from compliance.acting import MOST_REASON, ActRefused, Person
from compliance.admin.words import short_name
from compliance.in_force import catalogue_in_force

LEDGER: Final = "ledger"


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """One input of a form."""

    name: str
    word: str
    help: str = ""
    kind: str = "text"
    """`text`, `area`, `day`, `number`, `choice`, `flag` or `file`."""
    value: str = ""
    error: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    is_needed: bool = True
    most: int = 0
    """Characters that it takes; 0: not said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One value of a list or of a page."""

    word: str
    value: Any
    kind: str = "text"
    """`text`, `when`, `day`, `badge`, `number`, `hash` or `code`."""
    url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of a list: its number, where it opens, its state and its cells."""

    id: int
    url: str
    state: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """A button or a link that leads somewhere."""

    word: str
    url: str
    icon: str = ""
    is_main: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Empty:
    """What a list says when nothing is in it."""

    icon: str
    heading: str
    body: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ActForm:
    """What may be done with the thing that a page shows."""

    id: str
    title: str
    said: str
    """What will happen, in a sentence."""
    url: str
    button: str
    icon: str
    boxes: tuple[Box, ...] = ()
    is_bad: bool = False
    why_not: str = ""
    """Why this person may not; the form is not shown then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What the page of one thing says."""

    title: str
    sentence: str
    state: str
    fields: tuple[Cell, ...]
    texts: tuple[tuple[str, str], ...] = ()
    """Longer texts under a heading of their own."""
    ways: tuple[Way, ...] = ()
    acts: tuple[ActForm, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """A page that asks for something new."""

    title: str
    lead: str
    boxes: tuple[Box, ...]
    button: str
    icon: str
    back: str
    has_file: bool = False
    ways: tuple[Way, ...] = ()
    problems: tuple[str, ...] = field(default=())
    """Lines about what was sent that belong to no input."""


def reason_box(word: str = "Why", name: str = "reason", most: int = MOST_REASON) -> Box:
    """Return the input that nearly every act has."""
    help_ = "It stands in the ledger for ever, with your name: no personal data."
    return Box(name=name, word=word, help=help_, kind="area", most=most)


def person_of(request: HttpRequest) -> Person:
    """Return who is logged in, as verbs want to know it."""
    assert request.user.pk is not None, "the desk is behind a log-in"
    return Person(id=request.user.pk, name=request.user.get_username())


def filled(
    boxes: Sequence[Box], values: Mapping[str, str], refused: ActRefused | None
) -> tuple[Box, ...]:
    """Return the inputs with what was typed and what is wrong with it."""
    return tuple(
        Box(
            name=box.name,
            word=box.word,
            help=box.help,
            kind=box.kind,
            value=values.get(box.name, box.value),
            error=refused.message if refused and refused.field == box.name else "",
            choices=box.choices,
            is_needed=box.is_needed,
            most=box.most,
        )
        for box in boxes
    )


def url_of(name: str, /, *args: Any, **query: str) -> str:
    """Return the address of an admin page, with a query of what is not empty."""
    found = reverse(f"admin:{name}", args=args)
    asked = QueryDict(mutable=True)
    asked.update({key: value for key, value in query.items() if value})
    return f"{found}?{asked.urlencode()}" if asked else found


def entries_url(ledger: Ledger, action: str) -> str:
    """Return the list of the entries that acts of a kind have left."""
    return address(QueryDict(), ledger=ledger.name, action=action)


def named_ledger(request: HttpRequest) -> Ledger:
    """Return the ledger that form or address names, else the first there is; 404 for none."""
    name = (request.POST.get(LEDGER) or request.GET.get(LEDGER) or "").replace("\0", "?")
    ledgers = Ledger.objects.order_by("id")
    found = (ledgers.filter(name=name) if name else ledgers).first()
    if found is None:
        raise Http404("the address names a ledger that this installation does not have")
    return found


class PeopleAdmin(ReadOnlyModelAdmin):
    """A list, a page for each row, forms that make new ones, and acts; all by verbs."""

    rows_of: ClassVar[type[Model]]
    title: ClassVar[str]
    lead: ClassVar[str]
    shows: ClassVar[dict[str, str]]
    """The tabs of the list and their words, the usual one first."""
    where: ClassVar[dict[str, dict[str, Any]]]
    """What each tab filters by."""
    empty: ClassVar[dict[str, Empty]]
    """What an empty tab says; `""` for every other."""

    # --- What each page says -------------------------------------------------------------------

    @abstractmethod
    def cells(self, row: Any) -> tuple[Cell, ...]:
        """Return the cells of one row of the list."""

    @abstractmethod
    def state(self, row: Any) -> str:
        """Return the state of a row as badges know it."""

    @abstractmethod
    def shown(self, request: HttpRequest, row: Any) -> Shown:
        """Return what the page of one row says and which acts it offers."""

    def ways(self, request: HttpRequest, ledger: Ledger) -> tuple[Way, ...]:
        """Return what stands above the list."""
        return ()

    def found(self, show: str) -> QuerySet[Any]:
        """Return the rows of a tab, of all ledgers."""
        return self.rows_of._default_manager.filter(**self.where[show])

    # --- The list ------------------------------------------------------------------------------

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 rows of one ledger, the newest first."""
        look = read_look(request, shows=self.shows)
        context = self.frame(
            request, title=self.title, opts=None, lead=self.lead, look=look, strip=look.ledger
        )
        if look.ledger is not None and not look.errors:
            context |= self._listed(request, look, Ledger.objects.get(id=look.ledger.id))
        return TemplateResponse(request, "compliance/people_list.html", context)

    def _listed(self, request: HttpRequest, look: Look, ledger: Ledger) -> dict[str, Any]:
        rows = self.found(look.show).filter(ledger=ledger)
        page = keyset_page(rows.annotate(seq=F("id")), **look.places)
        return {
            "rows": [
                Row(id=row.id, url=self.url(row), state=self.state(row), cells=self.cells(row))
                for row in page.rows
            ],
            "ways": self.ways(request, ledger),
            "empty": self.empty.get(look.show, self.empty[""]),
            "newer_url": look.url(before=page.newer),
            "older_url": look.url(after=page.older),
        }

    # --- One row, and what may be done with it -------------------------------------------------

    def url(self, row: Any) -> str:
        """Return the address of a row's page."""
        return url_of(f"{self.opts.app_label}_{self.opts.model_name}_change", row.id)

    def row(self, object_id: str) -> Any:
        """Return the row of an address; 404 when there is none."""
        rows = self.rows_of._default_manager.select_related("ledger")
        found = rows.filter(id=number(object_id)).first()
        if found is None:
            raise Http404(f"no {self.opts.verbose_name} has this number")
        return found

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one row."""
        return self.page_of(request, self.row(object_id))

    def page_of(
        self, request: HttpRequest, row: Any, *, refused: ActRefused | None = None, act: str = ""
    ) -> HttpResponse:
        """Show one row, and what was refused when an act was."""
        shown = self.shown(request, row)
        context = self.frame(
            request,
            title=shown.title,
            object=row,
            strip=ledger_state(ledger_id=row.ledger_id),
            shown=shown,
            acts=[
                (
                    form,
                    filled(form.boxes, request.POST.dict(), refused)
                    if form.id == act
                    else form.boxes,
                )
                for form in shown.acts
            ],
            refused=refused,
        )
        status = 409 if refused else 200
        return TemplateResponse(request, "compliance/people_page.html", context, status=status)

    def do(
        self,
        request: HttpRequest,
        object_id: str,
        verb: Callable[[Any], object],
        *,
        act: str,
        said: str,
    ) -> HttpResponse:
        """Do an act with a row, and show the row again with what came of it."""
        row = self.row(object_id)
        try:
            verb(row)
        except ActRefused as refused:
            return self.page_of(request, self.row(object_id), refused=refused, act=act)
        say(request, said, is_good=True)
        return HttpResponseRedirect(self.url(row))

    # --- Something new -------------------------------------------------------------------------

    def form_page(
        self,
        request: HttpRequest,
        ledger: Ledger,
        form: Form,
        make: Callable[[Mapping[str, str]], Any],
        *,
        said: str,
    ) -> HttpResponse:
        """Ask for something new, and make it of what was typed."""
        refused = None
        if request.method == "POST":
            try:
                made = make(request.POST.dict())
            except ActRefused as error:
                refused = error
            else:
                say(request, said, is_good=True)
                return HttpResponseRedirect(self.url(made))
        typed = request.POST.dict() if request.method == "POST" else request.GET.dict()
        boxes = filled(form.boxes, typed, refused)
        other = refused if refused and refused.field not in {box.name for box in boxes} else None
        context = self.frame(
            request,
            title=form.title,
            opts=None,
            strip=ledger_state(ledger_id=ledger.id),
            ledger=ledger,
            form=form,
            boxes=boxes,
            refused=refused,
            other=other,
        )
        status = 400 if refused else 200
        return TemplateResponse(request, "compliance/people_form.html", context, status=status)


def day_cell(word: str, value: date | None) -> Cell:
    """Return a day for a list or a page."""
    return Cell(word=word, value=value, kind="day")


def when_cell(word: str, value: datetime | None) -> Cell:
    """Return a time for a list or a page."""
    return Cell(word=word, value=value, kind="when")


def frameworks_to_choose(ids: Collection[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return the frameworks in force, or those of them named, by the names that pages give them."""
    known = catalogue_in_force().frameworks.values()
    found = [(one.id, short_name(one.name)) for one in known if not ids or one.id in ids]
    return tuple(sorted(found, key=lambda pair: pair[1].casefold()))


def named(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return choices whose words are their values."""
    return tuple((each, each) for each in pairs)
