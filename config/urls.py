"""Which app answers which addresses."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("apps.ops.urls")),
    path("", include("apps.accounts.urls")),
    path("accounts/", include("allauth.urls")),
    *(
        path("", include(f"apps.{name}.urls"))
        for name in ("library", "streaming")
        if (settings.BASE_DIR / "apps" / name / "urls.py").exists()
    ),
    path("admin/", admin.site.urls),
]
