"""Addresses of the library."""

from django.urls import path

from apps.library import views
from apps.library.api import tus

app_name = "library"

urlpatterns = [
    path("library/", views.library, name="library"),
    path("library/progress/", views.progress, name="progress"),
    path("library/delete/", views.delete_many, name="delete-many"),
    path("library/restore/", views.restore_many, name="restore-many"),
    path("library/move/", views.move_many, name="move-many"),
    path("library/folders/new/", views.folder_new, name="folder-new"),
    path("library/folders/<uuid:folder_id>/rename/", views.folder_rename, name="folder-rename"),
    path("library/folders/<uuid:folder_id>/delete/", views.folder_delete, name="folder-delete"),
    path("library/upload/", views.upload_form, name="upload"),
    path("library/uploads/", tus.uploads, name="uploads"),
    path("library/uploads/<uuid:upload_id>/", tus.upload, name="tus-upload"),
    path("library/<uuid:asset_id>/", views.asset, name="asset"),
    path("library/<uuid:asset_id>/rename/", views.rename, name="rename"),
    path("library/<uuid:asset_id>/delete/", views.delete, name="delete"),
    path("library/<uuid:asset_id>/restore/", views.restore, name="restore"),
    path("library/<uuid:asset_id>/retry/", views.retry, name="retry"),
    path("library/<uuid:asset_id>/prepare/", views.prepare, name="prepare"),
    path("library/<uuid:asset_id>/prepare-again/", views.prepare_again, name="prepare-again"),
    path("library/<uuid:asset_id>/thumbnail/", views.thumbnail, name="thumbnail"),
]
