"""What every part of the REST API is made of: bodies, pages, rendering, refusals.

Who may call is decided in `apps.accounts.api`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from django.conf import settings
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.errors import ValidationError as NinjaValidationError
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.responses import NinjaJSONEncoder
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from apps.core.cursors import MOST_ROWS, Window
from apps.core.lines import JOINERS
from apps.core.problems import (
    FORBIDDEN,
    INVALID,
    JSON_INVALID,
    LENGTH_REQUIRED,
    MEDIA_TYPE_WRONG,
    NOT_FOUND,
    SERVER_FAILED,
    TOO_LARGE,
    UNAVAILABLE,
    Fault,
    Problem,
    response_to,
)

logger = logging.getLogger(__name__)

MOST_FAULTS = 50
"""Told of one request; a body can be made to have thousands."""

RETRY_SECONDS = 5
"""After so long a database that was away, locked or full is worth another request."""

Item = TypeVar("Item")

# -- bodies and answers -------------------------------------------------------------------------


def _printable(text: str) -> str:
    text = text.strip()
    if any(not (character.isprintable() or character in JOINERS) for character in text):
        raise ValueError("Leave line breaks and control characters out.")
    return text


def _not_blank(text: str) -> str:
    if not text:
        raise ValueError("Enter at least one character that is not a blank.")
    return text


Line = Annotated[str, AfterValidator(_printable)]
"""One line of text; blanks at its ends are cut."""

Name = Annotated[Line, AfterValidator(_not_blank)]

Flag = StrictBool
Whole = StrictInt


class Asked(BaseModel):
    """A body somebody sends; what is not described is refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class Told(BaseModel):
    """An answer of ours."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class Page(Told, Generic[Item]):
    """Some rows of a list, newest first unless the operation says otherwise."""

    items: list[Item]
    next: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")


PageKind = TypeVar("PageKind", bound=Page[Any])


def page_of(
    window: Window[Any], show: Callable[[Any], BaseModel], kind: type[PageKind]
) -> PageKind:
    """The rows of `window` as they are shown."""
    return kind(items=[show(row) for row in window.rows], next=window.next)


Cursor = Annotated[Line, Field(max_length=500, description="`next` of the page before.")]
Limit = Annotated[int, Field(ge=1, le=MOST_ROWS, description="Rows of a page.")]
Search = Annotated[
    Line, Field(max_length=100, description="Words that must all occur in the name.")
]


# -- rendering ----------------------------------------------------------------------------------


class _Encoder(NinjaJSONEncoder):
    def default(self, o: Any) -> Any:
        # To the microsecond: tags of representations tell two changes in one millisecond apart.
        if isinstance(o, datetime):
            return o.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return super().default(o)


def rendered(data: Any) -> bytes:
    """The bytes of an answer; equal for equal data."""
    if isinstance(data, BaseModel):
        data = data.model_dump()
    return json.dumps(data, cls=_Encoder, separators=(",", ":"), ensure_ascii=False).encode()


class Renderer(BaseRenderer):
    """JSON, as `rendered` writes it."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        """The body of a response."""
        return rendered(data)


class JsonParser(Parser):
    """JSON of a bounded size, and only when it is said to be JSON."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The object in the body.

        Raises:
            Problem: the body is something else.
        """
        if request.content_type != "application/json":
            raise Problem(MEDIA_TYPE_WRONG)
        try:
            data: dict[str, Any] = json.loads(request.body.decode(), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise Problem(JSON_INVALID) from None
        return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def refuse_long_body(request: HttpRequest) -> None:
    """Look at the announced length before anything reads the body.

    Raises:
        Problem: it is unknown, or more than `API_BODY_MAX_BYTES`.
    """
    announced = request.META.get("CONTENT_LENGTH") or ""
    if announced.isascii() and announced.isdigit():
        if int(announced) > settings.API_BODY_MAX_BYTES:
            raise Problem(TOO_LARGE)
    elif "Transfer-Encoding" in request.headers:
        raise Problem(LENGTH_REQUIRED)


# -- refusals -----------------------------------------------------------------------------------


def install_refusals(api: NinjaAPI) -> None:
    """Answer every exception of an operation as a problem."""
    handlers: list[tuple[type[Exception], Callable[[Any], Problem]]] = [
        (Problem, lambda problem: problem),
        (Http404, lambda _: Problem(NOT_FOUND)),
        (PermissionDenied, lambda refused: Problem(FORBIDDEN, str(refused))),
        (ValidationError, lambda refused: Problem(INVALID, " ".join(refused.messages))),
        (NinjaValidationError, _of_fields),
        (HttpError, _of_parsing),
        (RequestDataTooBig, lambda _: Problem(TOO_LARGE)),
        (SuspiciousOperation, lambda _: Problem(INVALID)),
        (MultiPartParserError, lambda _: Problem(INVALID, "The parts of the body are damaged.")),
    ]
    for kind, problem_of in handlers:
        api.add_exception_handler(kind, _handler(problem_of))
    api.add_exception_handler(Exception, failed)


def faults_of(errors: Mapping[str, Iterable[Any]], names: dict[str, str]) -> list[Fault]:
    """Errors of a form as faults; `names` gives the pointer of each field."""
    return [
        Fault(str(text), pointer=names.get(field, ""))
        for field, texts in errors.items()
        for text in texts
    ]


def _handler(
    problem_of: Callable[[Any], Problem],
) -> Callable[[HttpRequest, Any], HttpResponse]:
    return lambda _request, error: response_to(problem_of(error))


def failed(request: HttpRequest, error: Any) -> HttpResponse:
    """The answer to a failure that nobody foresaw: ours, or that of the database."""
    logger.error("%s %s failed.", request.method, request.path, exc_info=error)
    if isinstance(error, (OperationalError, InterfaceError)):
        return response_to(Problem(UNAVAILABLE, headers={"Retry-After": str(RETRY_SECONDS)}))
    return response_to(Problem(SERVER_FAILED))


def _of_parsing(error: HttpError) -> Problem:
    # The framework wraps whatever the parser raised.
    return error.__cause__ if isinstance(error.__cause__, Problem) else Problem(JSON_INVALID)


def _of_fields(error: NinjaValidationError) -> Problem:
    faults = []
    for one in error.errors[:MOST_FAULTS]:
        where, *place = one["loc"]
        text = str(one.get("msg", "")).removeprefix("Value error, ")
        if where == "body":
            # The first part is the name of our function's argument.
            pointer = "".join(
                "/" + str(part).replace("~", "~0").replace("/", "~1") for part in place[1:]
            )
            faults.append(Fault(text, pointer=pointer))
        else:
            faults.append(Fault(text, parameter=str(place[-1]) if place else ""))
    return Problem(INVALID, faults=faults)
