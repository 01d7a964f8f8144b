"""The library's only door to the engine: finds out what a source is and prepares it for air.

Everything here may be called twice, or by two workers at once: a row is worked on under a lease,
and only the holder's result is written down.
"""

from apps.library.preparation.cards import fonts_here, prepare_card
from apps.library.preparation.checking import check
from apps.library.preparation.claimed import ATTEMPTS, Keeper
from apps.library.preparation.files import (
    is_local,
    local_track_directory,
    remove_cards,
    remove_files,
    remove_scraps,
    remove_track,
    remove_tree,
    source_file,
    track_names,
)
from apps.library.preparation.profiles import (
    AUDIO_PROFILE_ID,
    ProfileChoice,
    default_profile_id,
    profile_choices,
    profile_id,
)
from apps.library.preparation.renditions import prepare

__all__ = [
    "ATTEMPTS",
    "AUDIO_PROFILE_ID",
    "Keeper",
    "ProfileChoice",
    "check",
    "default_profile_id",
    "fonts_here",
    "is_local",
    "local_track_directory",
    "prepare",
    "prepare_card",
    "profile_choices",
    "profile_id",
    "remove_cards",
    "remove_files",
    "remove_scraps",
    "remove_track",
    "remove_tree",
    "source_file",
    "track_names",
]
