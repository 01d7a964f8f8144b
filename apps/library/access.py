"""The only way a request obtains a row of the library.

Strangers get 404, as if it did not exist; members whose role is too low get 403.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db.models import QuerySet
from django.http import Http404

from apps.accounts.access import Caller, note_role, require, with_role
from apps.accounts.models import Role, Workspace
from apps.library.models import Asset, Folder, Upload


def get_asset_for(
    user: Caller,
    asset_id: uuid.UUID,
    role: Role = Role.VIEWER,
    *,
    deleted: bool = False,
) -> Asset:
    """The asset, with its workspace; with `deleted`, only one that was deleted and can come back.

    Raises:
        Http404: there is none, or `user` is a stranger in its workspace.
        PermissionDenied: the user's role there is lower than `role`.
    """
    return open_asset_for(user, asset_id, role, deleted=deleted)[0]


def open_asset_for(
    user: Caller,
    asset_id: uuid.UUID,
    role: Role = Role.VIEWER,
    *,
    deleted: bool = False,
) -> tuple[Asset, Role]:
    """Like `get_asset_for`, together with the role that `user` has there."""
    assets: QuerySet[Asset] = Asset.objects.select_related("workspace").filter(
        pk=asset_id, deleted_at__isnull=not deleted
    )
    asset = with_role(assets, user).first()
    if asset is None:
        raise Http404("There is no such file.")
    note_role(user, asset, asset.workspace)
    return asset, require(user, asset.workspace, role)


def get_upload_for(user: Caller, upload_id: uuid.UUID) -> Upload:
    """An unfinished upload of a workspace where `user` may upload; raises like `get_asset_for`."""
    uploads = Upload.objects.select_related("asset__workspace").filter(pk=upload_id)
    upload = with_role(uploads, user, "asset__workspace").first()
    if upload is None or upload.asset.deleted_at is not None:
        raise Http404("There is no such upload.")
    note_role(user, upload, upload.asset.workspace)
    require(user, upload.asset.workspace, Role.EDITOR)
    return upload


def get_folder_for(user: Caller, folder_id: uuid.UUID, role: Role = Role.VIEWER) -> Folder:
    """The folder, with its workspace; raises like `get_asset_for`."""
    folders = Folder.objects.select_related("workspace").filter(pk=folder_id)
    folder = with_role(folders, user).first()
    if folder is None:
        raise Http404("There is no such folder.")
    note_role(user, folder, folder.workspace)
    require(user, folder.workspace, role)
    return folder


def get_assets_for(
    user: Caller, workspace: Workspace, asset_ids: Sequence[uuid.UUID], role: Role = Role.VIEWER
) -> list[Asset]:
    """The assets of `workspace` with these ids, in this order; raises like `get_asset_for`."""
    require(user, workspace, role)
    found = Asset.objects.in_bulk(set(asset_ids))
    for asset_id in asset_ids:
        asset = found.get(asset_id)
        if asset is None or asset.workspace_id != workspace.pk or asset.deleted_at is not None:
            raise Http404("There is no such file.")
    return [found[asset_id] for asset_id in asset_ids]
