"""Addresses of streams and playlists."""

from django.urls import path

from apps.streaming.views import broadcasting, destinations, on_air, playlists, streams

app_name = "streaming"

urlpatterns = [
    path("dashboard/", streams.dashboard, name="dashboard"),
    path("watch/", destinations.watch_any, name="watch-any"),
    path("streams/", streams.streams, name="streams"),
    path("streams/new/", streams.stream_new, name="stream-new"),
    path("streams/<uuid:stream_id>/", streams.stream, name="stream"),
    path("streams/<uuid:stream_id>/live/", streams.stream_live, name="stream-live"),
    path("streams/<uuid:stream_id>/ready/", streams.stream_ready, name="stream-ready"),
    path("streams/<uuid:stream_id>/edit/", streams.stream_edit, name="stream-edit"),
    path("streams/<uuid:stream_id>/start/", streams.stream_start, name="stream-start"),
    path("streams/<uuid:stream_id>/stop/", streams.stream_stop, name="stream-stop"),
    path("streams/<uuid:stream_id>/delete/", streams.stream_delete, name="stream-delete"),
    path("streams/<uuid:stream_id>/details/", streams.stream_details, name="stream-details"),
    path("streams/<uuid:stream_id>/arrived/", streams.stream_arrived, name="stream-arrived"),
    path("streams/<uuid:stream_id>/programme/", on_air.programme, name="stream-programme"),
    path("streams/<uuid:stream_id>/skip/", on_air.skip, name="stream-skip"),
    path("streams/<uuid:stream_id>/jump/", on_air.jump, name="stream-jump"),
    path("streams/<uuid:stream_id>/next/", on_air.play_next, name="stream-next"),
    path("streams/<uuid:stream_id>/swap/", on_air.swap, name="stream-swap"),
    path("streams/<uuid:stream_id>/pause/", on_air.pause, name="stream-pause"),
    path("streams/<uuid:stream_id>/resume/", on_air.resume, name="stream-resume"),
    path("streams/<uuid:stream_id>/undo/", on_air.undo, name="stream-undo"),
    path(
        "streams/<uuid:stream_id>/destinations/new/",
        destinations.destination_new,
        name="destination-new",
    ),
    path(
        "streams/<uuid:stream_id>/destinations/<uuid:output_id>/",
        destinations.destination_edit,
        name="destination-edit",
    ),
    path(
        "streams/<uuid:stream_id>/destinations/<uuid:output_id>/backup/",
        destinations.destination_backup,
        name="destination-backup",
    ),
    path(
        "streams/<uuid:stream_id>/destinations/<uuid:output_id>/remove/",
        destinations.destination_remove,
        name="destination-remove",
    ),
    path("streams/<uuid:stream_id>/watch/", destinations.watch, name="watch"),
    path("streams/<uuid:stream_id>/watch.flv", destinations.watch_flv, name="watch-flv"),
    path("streams/<uuid:stream_id>/youtube/", broadcasting.show, name="show"),
    path("streams/<uuid:stream_id>/youtube/state/", broadcasting.show_state, name="show-state"),
    path("streams/<uuid:stream_id>/youtube/live/", broadcasting.go_live, name="go-live"),
    path("streams/<uuid:stream_id>/youtube/texts/", broadcasting.show_texts, name="show-texts"),
    path("streams/<uuid:stream_id>/youtube/adopt/", broadcasting.adopt, name="show-adopt"),
    path("streams/<uuid:stream_id>/youtube/end/", broadcasting.end, name="show-end"),
    path("playlists/", playlists.playlists, name="playlists"),
    path("playlists/add/", playlists.playlist_pick, name="playlist-pick"),
    path("playlists/youtube/", playlists.playlists_youtube, name="playlists-youtube"),
    path("playlists/<uuid:playlist_id>/", playlists.playlist, name="playlist"),
    path(
        "playlists/<uuid:playlist_id>/refresh/",
        playlists.playlist_refresh,
        name="playlist-refresh",
    ),
    path("playlists/<uuid:playlist_id>/choices/", playlists.playlist_choices, name="choices"),
    path("playlists/<uuid:playlist_id>/add/", playlists.playlist_add, name="item-add"),
    path("playlists/<uuid:playlist_id>/restore/", playlists.playlist_restore, name="item-restore"),
    path(
        "playlists/<uuid:playlist_id>/remove/",
        playlists.playlist_remove_many,
        name="items-remove",
    ),
    path("playlists/<uuid:playlist_id>/order/", playlists.playlist_order, name="item-order"),
    path("playlists/<uuid:playlist_id>/delete/", playlists.playlist_delete, name="playlist-delete"),
    path(
        "playlists/<uuid:playlist_id>/items/<uuid:item_id>/remove/",
        playlists.playlist_remove,
        name="item-remove",
    ),
    path(
        "playlists/<uuid:playlist_id>/items/<uuid:item_id>/weight/",
        playlists.playlist_weight,
        name="item-weight",
    ),
    path(
        "playlists/<uuid:playlist_id>/items/<uuid:item_id>/move/",
        playlists.playlist_move,
        name="item-move",
    ),
]
