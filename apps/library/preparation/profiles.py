"""House formats, as people choose them."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from playout.errors import UnknownProfile
from playout.media import HOUSE_AUDIO, VIDEO_PROFILES, video_profile

AUDIO_PROFILE_ID = HOUSE_AUDIO.id


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """A house format, as a person chooses it."""

    id: str
    """With its version: what rows hold."""
    label: str
    width: int
    height: int
    fps: int
    kbps: int


def profile_choices() -> list[ProfileChoice]:
    """All house formats, smallest first."""
    choices = [
        ProfileChoice(
            id=profile.id,
            label=_("%(name)s — %(width)d×%(height)d, %(fps)d pictures a second, %(mbps)s Mbit/s")
            % {
                "name": profile.name,
                "width": profile.width,
                "height": profile.height,
                "fps": profile.fps,
                "mbps": f"{profile.kbps / 1000:g}",
            },
            width=profile.width,
            height=profile.height,
            fps=profile.fps,
            kbps=profile.kbps,
        )
        for profile in VIDEO_PROFILES.values()
    ]
    return sorted(choices, key=lambda one: (one.width < one.height, one.width, one.fps, one.kbps))


def profile_id(name: str) -> str:
    """The full name of the profile called `name`, with or without its version.

    Raises:
        ValidationError: there is none.
    """
    try:
        return video_profile(name).id
    except UnknownProfile as error:
        raise ValidationError(str(error)) from error


def default_profile_id() -> str:
    """The format that every new file is prepared in."""
    return profile_id(settings.DEFAULT_PROFILE)
