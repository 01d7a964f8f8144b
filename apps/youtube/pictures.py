"""Pictures that people send to stand for a broadcast: looked at, and drawn anew.

What leaves here was written by us: a JPEG without anything before, behind or between its pixels,
so neither YouTube nor a browser is handed bytes that somebody else chose.
"""

from __future__ import annotations

import warnings
from io import BytesIO

from django.utils.translation import gettext as _
from PIL import Image, ImageOps

MAX_BYTES = 2 << 20
"""What YouTube has always taken."""
MOST_PIXELS = 4096 * 3072
"""A phone's picture; what claims more is not decoded."""
LEAST_WIDTH = 640
SIZE = (1280, 720)
_QUALITY = 90


class PictureRefused(Exception):
    """The picture cannot be used; the text says why."""


def drawn_anew(content: bytes) -> bytes:
    """A JPEG of at most 1280 × 720 with what `content` shows, the right way up.

    What it is is decided by what is in it. Raises `PictureRefused`.
    """
    if len(content) > MAX_BYTES:
        raise PictureRefused(_("The picture is larger than 2 MB."))
    try:
        with warnings.catch_warnings():
            # Its limit is far above ours.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(content), formats=("JPEG", "PNG"))
    except Image.DecompressionBombError:
        raise PictureRefused(_TOO_MANY()) from None
    except Exception:  # noqa: BLE001 - of bytes that anybody chose, anything may be raised
        raise PictureRefused(_("The picture is neither a JPEG nor a PNG.")) from None
    if picture.width * picture.height > MOST_PIXELS:
        raise PictureRefused(_TOO_MANY())
    try:
        # A JPEG is decoded at a fraction of its size where that suffices.
        picture.draft("RGB", SIZE)
        upright = ImageOps.exif_transpose(picture)
        drawn = _opaque(upright)
    except Exception:  # noqa: BLE001 - as above
        raise PictureRefused(_("The picture is damaged.")) from None
    if drawn.width < LEAST_WIDTH:
        raise PictureRefused(_("The picture is less than 640 pixels wide."))
    drawn.thumbnail(SIZE)
    # Comments would be written along.
    drawn.info.clear()
    file = BytesIO()
    drawn.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()


def _TOO_MANY() -> str:
    return _("The picture has too many pixels. 1280 × 720 is enough.")


def _opaque(picture: Image.Image) -> Image.Image:
    """The same on black, as a player shows it."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "black"), layer).convert("RGB")
