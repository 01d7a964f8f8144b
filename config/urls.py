"""Which app answers which addresses."""

from django.contrib import admin
from django.urls import include, path

from config.api import PREFIX, urls

urlpatterns = [
    path("", include("apps.ops.urls")),
    path("", include("apps.accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.library.urls")),
    path("", include("apps.youtube.urls")),
    path("", include("apps.streaming.urls")),
    path(PREFIX, include((urls(), "api"))),
    path("admin/", admin.site.urls),
]
