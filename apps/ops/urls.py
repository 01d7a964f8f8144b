"""Addresses for machines that watch us, and for who builds the pages."""

from django.urls import path

from apps.ops import views

urlpatterns = [
    path("health/live", views.live, name="health-live"),
    path("health/ready", views.ready, name="health-ready"),
    path("metrics", views.metrics_page, name="metrics"),
    path("styleguide/", views.styleguide, name="styleguide"),
]
