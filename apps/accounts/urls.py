"""Addresses of the front page and the settings."""

from django.urls import path

from apps.accounts import views

urlpatterns = [
    path("", views.home, name="home"),
    path("settings/", views.settings_page, name="settings"),
    path("settings/members/", views.add_member, name="member-add"),
    path("settings/members/<uuid:membership_id>/role/", views.change_role, name="member-role"),
    path(
        "settings/members/<uuid:membership_id>/remove/", views.remove_member, name="member-remove"
    ),
]
