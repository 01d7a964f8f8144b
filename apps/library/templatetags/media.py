"""How lengths and sizes are written."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def duration(milliseconds: int | None) -> str:
    """`1:02:03`, `4:05`; empty when unknown."""
    if milliseconds is None:
        return ""
    seconds = max(1, round(milliseconds / 1000)) if milliseconds else 0
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


@register.filter
def size(count: int | None) -> str:
    """`12.3 MB`, in powers of 1000 as disks are sold; empty when unknown."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


@register.filter
def bitrate(kbps: int | None) -> str:
    """`4.6 Mbit/s`; empty when unknown. More digits would only dance from second to second."""
    if kbps is None:
        return ""
    return f"{kbps / 1000:.1f}\u202fMbit/s" if kbps >= 1000 else f"{kbps}\u202fkbit/s"


@register.filter
def profile_name(profile: str) -> str:
    """A house format without its version, which only rows need."""
    return profile.partition("@")[0]
