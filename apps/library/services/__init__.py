"""The only writers of the library's rows, apart from what a preparation reports."""

from apps.library.services.assets import (
    AssetInUse,
    delete_asset,
    purge_deleted,
    rename_asset,
    request_rendition,
    restore_asset,
    retry_asset,
    uses_of,
    wake_work,
)
from apps.library.services.cards import (
    WantedCard,
    remove_old_cards,
    request_cards,
    wake_cards,
)
from apps.library.services.folders import (
    create_folder,
    delete_folder,
    move_assets,
    rename_folder,
)
from apps.library.services.uploads import (
    UploadBusy,
    UploadConflict,
    UploadRefused,
    append_to_upload,
    create_upload,
    discard_upload,
    displayed_name,
    expire_uploads,
    finish_upload,
    receive_file,
    received_bytes,
)

__all__ = [
    "AssetInUse",
    "UploadBusy",
    "UploadConflict",
    "UploadRefused",
    "WantedCard",
    "append_to_upload",
    "create_folder",
    "create_upload",
    "delete_asset",
    "delete_folder",
    "discard_upload",
    "displayed_name",
    "expire_uploads",
    "finish_upload",
    "move_assets",
    "purge_deleted",
    "receive_file",
    "received_bytes",
    "remove_old_cards",
    "rename_asset",
    "rename_folder",
    "request_cards",
    "request_rendition",
    "restore_asset",
    "retry_asset",
    "uses_of",
    "wake_cards",
    "wake_work",
]
