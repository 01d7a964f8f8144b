"""How many watch: noted from what the sweep is told anyway, one row for each hour of a show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from apps.youtube import audience
from apps.youtube.models import Show, ViewerHour


def note_viewers(counts: Mapping[Show, int | None], *, now: datetime) -> None:
    """Viewers of shows that were seen live just now; None where YouTube does not say.

    Four statements, however many shows there are.
    """
    shows = list(counts)
    for show in shows:
        show.viewers = counts[show]
    Show.objects.bulk_update(shows, ["viewers"])
    told = {show.pk: viewers for show, viewers in counts.items() if viewers is not None}
    if not told:
        return
    hour = audience.hour_of(now)
    with transaction.atomic():
        ViewerHour.objects.bulk_create(
            (ViewerHour(show_id=pk, hour=hour) for pk in told), ignore_conflicts=True
        )
        rows = list(ViewerHour.objects.filter(show__in=told, hour=hour))
        for row in rows:
            row.minutes = audience.noted(row.minutes, now, told[row.show_id])
        ViewerHour.objects.bulk_update(rows, ["minutes"])
