"""The only writer of desired state: streams, their destinations, playlists and programmes.

Nobody "starts" a stream here: we write down what is wished, and nodes close the difference.
Every function is one transaction, may be called twice, and returns before anything is on air.
"""

from apps.streaming.stream_manager.keys import carry_key, forget_keys, join_between, leave_key
from apps.streaming.stream_manager.on_air import (
    Edited,
    EditRefused,
    jump,
    last_edit,
    pause,
    play_next,
    resume,
    skip,
    swap_playlist,
    undo,
    undoable,
)
from apps.streaming.stream_manager.playlists import (
    Moved,
    add_items,
    create_playlist,
    delete_playlist,
    move_item,
    place_item,
    remove_item,
    remove_items,
    rename_playlist,
    restore_item,
    set_order,
    set_weight,
)
from apps.streaming.stream_manager.programmes import (
    CHANNEL,
    StreamIsOnAir,
    forget_replaced,
    refresh_programme,
)
from apps.streaming.stream_manager.starting import (
    Check,
    StartRefused,
    checks,
    start_stream,
    stop_stream,
)
from apps.streaming.stream_manager.streams import (
    DestinationBusy,
    add_backup,
    add_destination,
    change_destination,
    create_stream,
    delete_stream,
    forget_removed,
    remove_destination,
    update_stream,
)
from apps.streaming.stream_manager.title_cards import plan_cards
from apps.streaming.stream_manager.youtube_lists import (
    ListRefused,
    forget_lists,
    make_from_youtube,
    refresh_from_youtube,
)

__all__ = [
    "CHANNEL",
    "Check",
    "DestinationBusy",
    "EditRefused",
    "Edited",
    "ListRefused",
    "Moved",
    "StartRefused",
    "StreamIsOnAir",
    "add_backup",
    "add_destination",
    "add_items",
    "carry_key",
    "change_destination",
    "checks",
    "create_playlist",
    "create_stream",
    "delete_playlist",
    "delete_stream",
    "forget_keys",
    "forget_lists",
    "forget_removed",
    "forget_replaced",
    "join_between",
    "jump",
    "last_edit",
    "leave_key",
    "make_from_youtube",
    "move_item",
    "pause",
    "place_item",
    "plan_cards",
    "play_next",
    "refresh_from_youtube",
    "refresh_programme",
    "remove_destination",
    "remove_item",
    "remove_items",
    "rename_playlist",
    "restore_item",
    "resume",
    "set_order",
    "set_weight",
    "skip",
    "start_stream",
    "stop_stream",
    "swap_playlist",
    "undo",
    "undoable",
    "update_stream",
]
