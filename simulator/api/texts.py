"""What titles, descriptions, tags and times may be, for broadcasts and videos alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.failures import ApiError, bad_request

MAX_TITLE = 100
MAX_DESCRIPTION_BYTES = 5000
MAX_TAG_LETTERS = 500
CATEGORIES = frozenset({"1", "2", "10", "15", *(str(number) for number in range(17, 45))})
MAX_SCHEDULE_AHEAD = timedelta(days=365)


def check_title(title: Any, *, domain: str, longest: int = MAX_TITLE) -> str:
    """The title. Raises `ApiError`."""
    if title is None or title == "":
        raise bad_request("titleRequired", "A title is missing.", domain=domain)
    if not isinstance(title, str) or len(title) > longest or set(title) & set("<>"):
        raise bad_request(
            "invalidTitle", f"A title has 1 to {longest} characters, no < or >.", domain=domain
        )
    return title


def check_description(description: Any, *, domain: str) -> str:
    """The description, empty when none is given. Raises `ApiError`."""
    text = "" if description is None else description
    if (
        not isinstance(text, str)
        or len(text.encode()) > MAX_DESCRIPTION_BYTES
        or set(text) & set("<>")
    ):
        raise bad_request(
            "invalidDescription", f"A description has at most {MAX_DESCRIPTION_BYTES} bytes,"
            " no < or >.", domain=domain,
        )  # fmt: skip
    return text


def check_category(category: Any, *, domain: str) -> str:
    """The category. Raises `ApiError`."""
    if category not in CATEGORIES:
        raise bad_request("invalidCategoryId", "There is no such category.", domain=domain)
    return str(category)


def check_tags(tags: Any, *, domain: str) -> list[str]:
    """The tags, none when none are given. Raises `ApiError`."""
    found = [] if tags is None else tags
    if not isinstance(found, list) or not all(isinstance(tag, str) for tag in found):
        raise bad_request("invalidTags", "Tags are a list of texts.", domain=domain)
    # A tag with a space counts two quotes more, and each but the first a comma.
    letters = sum(len(t) + (2 if " " in t else 0) for t in found) + max(0, len(found) - 1)
    if letters > MAX_TAG_LETTERS or any(set(tag) & set("<>") for tag in found):
        raise bad_request(
            "invalidTags", f"Tags have at most {MAX_TAG_LETTERS} characters together.",
            domain=domain,
        )  # fmt: skip
    return found


def check_privacy(privacy: Any, *, domain: str) -> str:
    """The privacy. Raises `ApiError`."""
    if privacy is None:
        raise bad_request("privacyStatusRequired", "privacyStatus is missing.", domain=domain)
    if privacy not in ("public", "unlisted", "private"):
        raise bad_request("invalidPrivacyStatus", "There is no such privacy.", domain=domain)
    return str(privacy)


def check_start(text: Any, now: datetime, *, domain: str) -> str:
    """A start in the future, as the API writes it. Raises `ApiError`."""
    if text is None:
        raise bad_request(
            "scheduledStartTimeRequired", "scheduledStartTime is missing.", domain=domain
        )
    moment = moment_of(text)
    if moment is None or not now < moment < now + MAX_SCHEDULE_AHEAD:
        raise bad_request(
            "invalidScheduledStartTime", "scheduledStartTime must lie in the future, and not"
            " too far.", domain=domain,
        )  # fmt: skip
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def check_end(text: Any, start: str, *, domain: str) -> str:
    """An end after the start. Raises `ApiError`."""
    moment, begins = moment_of(text), moment_of(start)
    if moment is None or begins is None or moment <= begins:
        raise bad_request(
            "invalidScheduledEndTime", "scheduledEndTime must lie after the start.", domain=domain
        )
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: Any) -> datetime | None:
    """RFC 3339 as a moment in UTC; None for anything else."""
    if not isinstance(text, str) or "T" not in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def forbidden(message: str) -> ApiError:
    """The client may not touch this resource."""
    return ApiError(403, "forbidden", message)
