"""Addresses of channels."""

from django.urls import path

from apps.youtube import views

app_name = "youtube"

urlpatterns = [
    path("channels/", views.channels, name="channels"),
    path("channels/connect/", views.connect, name="connect"),
    path("channels/oauth/callback/", views.callback, name="callback"),
    path("channels/quota/", views.quota_page, name="quota"),
    path("channels/client/", views.own_client, name="client"),
    path("channels/client/remove/", views.own_client_remove, name="client-remove"),
    path("channels/<uuid:channel_id>/", views.channel, name="channel"),
    path("channels/<uuid:channel_id>/check/", views.channel_check, name="check"),
    path("channels/<uuid:channel_id>/reconnect/", views.channel_reconnect, name="reconnect"),
    path("channels/<uuid:channel_id>/disconnect/", views.channel_disconnect, name="disconnect"),
]
