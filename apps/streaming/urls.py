"""Addresses of streams and playlists."""

from django.urls import path

from apps.streaming import views

app_name = "streaming"

urlpatterns = [
    path("dashboard/", views.dashboard, name="dashboard"),
    path("watch/", views.watch_any, name="watch-any"),
    path("streams/", views.streams, name="streams"),
    path("streams/new/", views.stream_new, name="stream-new"),
    path("streams/<uuid:stream_id>/", views.stream, name="stream"),
    path("streams/<uuid:stream_id>/live/", views.stream_live, name="stream-live"),
    path("streams/<uuid:stream_id>/ready/", views.stream_ready, name="stream-ready"),
    path("streams/<uuid:stream_id>/edit/", views.stream_edit, name="stream-edit"),
    path("streams/<uuid:stream_id>/start/", views.stream_start, name="stream-start"),
    path("streams/<uuid:stream_id>/stop/", views.stream_stop, name="stream-stop"),
    path("streams/<uuid:stream_id>/delete/", views.stream_delete, name="stream-delete"),
    path(
        "streams/<uuid:stream_id>/destinations/new/", views.destination_new, name="destination-new"
    ),
    path(
        "streams/<uuid:stream_id>/destinations/<uuid:output_id>/",
        views.destination_edit,
        name="destination-edit",
    ),
    path(
        "streams/<uuid:stream_id>/destinations/<uuid:output_id>/backup/",
        views.destination_backup,
        name="destination-backup",
    ),
    path(
        "streams/<uuid:stream_id>/destinations/<uuid:output_id>/remove/",
        views.destination_remove,
        name="destination-remove",
    ),
    path("streams/<uuid:stream_id>/watch/", views.watch, name="watch"),
    path("streams/<uuid:stream_id>/watch.flv", views.watch_flv, name="watch-flv"),
    path("playlists/", views.playlists, name="playlists"),
    path("playlists/add/", views.playlist_pick, name="playlist-pick"),
    path("playlists/<uuid:playlist_id>/", views.playlist, name="playlist"),
    path("playlists/<uuid:playlist_id>/choices/", views.playlist_choices, name="choices"),
    path("playlists/<uuid:playlist_id>/add/", views.playlist_add, name="item-add"),
    path("playlists/<uuid:playlist_id>/restore/", views.playlist_restore, name="item-restore"),
    path(
        "playlists/<uuid:playlist_id>/remove/",
        views.playlist_remove_many,
        name="items-remove",
    ),
    path("playlists/<uuid:playlist_id>/order/", views.playlist_order, name="item-order"),
    path("playlists/<uuid:playlist_id>/delete/", views.playlist_delete, name="playlist-delete"),
    path(
        "playlists/<uuid:playlist_id>/items/<uuid:item_id>/remove/",
        views.playlist_remove,
        name="item-remove",
    ),
    path(
        "playlists/<uuid:playlist_id>/items/<uuid:item_id>/move/",
        views.playlist_move,
        name="item-move",
    ),
]
