"""Which app answers which addresses."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("apps.ops.urls")),
    path("", include("apps.accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.library.urls")),
    path("", include("apps.streaming.urls")),
    path("admin/", admin.site.urls),
]
