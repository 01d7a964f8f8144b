"""What a receiver knows about one running stream, and what a new viewer needs to begin; no I/O."""

from __future__ import annotations

import hashlib
import math
import re
from collections import deque

from playout.errors import ProtocolViolation
from playout.rtmp import amf0, flv
from playout.rtmp.events import MessageKind, MessageReceived

MAX_CACHED_BYTES = 16 << 20
"""What is kept from the last key frame on; two seconds of 2160p are below 10 MB."""
SOUND_ONLY_AFTER = 100
"""Sound messages without a picture after which a stream is taken for radio."""

_TAG_TYPES = {
    MessageKind.AUDIO: flv.TagType.AUDIO,
    MessageKind.VIDEO: flv.TagType.VIDEO,
    MessageKind.METADATA: flv.TagType.SCRIPT,
}
_FPS_WINDOW = 121
_WRAP = 1 << 32
_ON_METADATA = amf0.encode("onMetaData")
_SHOWABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")
_LIKE_A_KEY = re.compile(r"\w{4}(-\w{4}){2,}")


def stream_id_of(stream_name: str) -> str:
    """The name under which a stream is watched: tells nothing about the key it is made from."""
    return hashlib.sha256(stream_name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def shown_name_of(stream_name: str, *, is_secret: bool) -> str:
    """The name for files, logs and pages: the stream's own if that is short, plain and no secret.

    Anything else, and anything that looks like a stream key, is shown as its `stream_id_of`.
    """
    plain = _SHOWABLE_NAME.fullmatch(stream_name) and not _LIKE_A_KEY.fullmatch(stream_name)
    return stream_name if plain and not is_secret else stream_id_of(stream_name)


class LiveStream:
    """Headers, the pictures since the last key frame, and some figures of one session."""

    def __init__(self, *, max_cached_bytes: int = MAX_CACHED_BYTES) -> None:
        self.bytes_received = 0
        """Of media; without the overhead of the protocol."""
        self.video_messages = 0
        """Pictures; headers are not counted."""
        self.audio_messages = 0
        self.last_video_ms: int | None = None
        self.last_audio_ms: int | None = None
        self.width: int | None = None
        self.height: int | None = None
        self._max_cached_bytes = max_cached_bytes
        self._metadata = b""
        self._video_header = b""
        self._audio_header = b""
        self._cache: list[bytes] = []
        """Tags from the last key frame on; empty while there is nothing to begin with."""
        self._cached_bytes = 0
        self._cache_begins_ms = 0
        self._picture_times: deque[int] = deque(maxlen=_FPS_WINDOW)

    @property
    def fps(self) -> float | None:
        """Pictures a second by their timestamps, over the last four seconds or so."""
        if len(self._picture_times) < 2:
            return None
        span = (self._picture_times[-1] - self._picture_times[0]) % _WRAP
        return round(1000 * (len(self._picture_times) - 1) / span, 2) if span else None

    @property
    def has_video(self) -> bool:
        """Whether a picture or its header has come."""
        return bool(self._video_header) or self.video_messages > 0

    @property
    def has_audio(self) -> bool:
        """Whether sound or its header has come."""
        return bool(self._audio_header) or self.audio_messages > 0

    def take(self, message: MessageReceived) -> bytes:
        """Note one message; returns its FLV tag."""
        tag = flv.encode_tag(_TAG_TYPES[message.kind], message.timestamp, message.payload)
        self.bytes_received += len(message.payload)
        if message.kind is MessageKind.VIDEO:
            self._take_video(message, tag)
        elif message.kind is MessageKind.AUDIO:
            self._take_audio(message, tag)
        elif message.payload.startswith(_ON_METADATA):
            self._metadata = message.payload
            self._read_metadata(message.payload)
        return tag

    def opening(self) -> bytes | None:
        """An FLV from its file header to this moment, beginning at the last key frame.

        None when there is nothing to begin with yet: ask again after the next message.
        """
        if self._cache:
            begin = self._cache_begins_ms
        elif not self.has_video and self.audio_messages >= SOUND_ONLY_AFTER:
            begin = self.last_audio_ms or 0
        else:
            return None
        parts = [flv.file_header(has_audio=self.has_audio, has_video=self.has_video)]
        for tag_type, payload in (
            (flv.TagType.SCRIPT, self._metadata),
            (flv.TagType.VIDEO, self._video_header),
            (flv.TagType.AUDIO, self._audio_header),
        ):
            if payload:
                parts.append(flv.encode_tag(tag_type, begin, payload))
        return b"".join([*parts, *self._cache])

    def _take_video(self, message: MessageReceived, tag: bytes) -> None:
        if flv.is_video_header(message.payload):
            self._video_header = message.payload
            return
        if not flv.is_picture(message.payload):
            return  # the end of a sequence, with which ffmpeg leaves
        self.video_messages += 1
        self.last_video_ms = message.timestamp
        self._picture_times.append(message.timestamp)
        if flv.is_key_frame(message.payload):
            self._cache = [tag]
            self._cached_bytes = len(tag)
            self._cache_begins_ms = message.timestamp
        else:
            self._append(tag)

    def _take_audio(self, message: MessageReceived, tag: bytes) -> None:
        if flv.is_audio_header(message.payload):
            self._audio_header = message.payload
            return
        self.audio_messages += 1
        self.last_audio_ms = message.timestamp
        self._append(tag)

    def _append(self, tag: bytes) -> None:
        if not self._cache:
            return
        self._cached_bytes += len(tag)
        if self._cached_bytes > self._max_cached_bytes:
            self._cache = []  # new viewers wait for the next key frame
        else:
            self._cache.append(tag)

    def _read_metadata(self, payload: bytes) -> None:
        try:
            values = amf0.decode(payload)
        except ProtocolViolation:
            return  # it is only shown; the recording keeps it as it came
        if len(values) > 1 and isinstance(values[1], dict):
            self.width = _size(values[1].get("width"))
            self.height = _size(values[1].get("height"))


def _size(value: amf0.Value) -> int | None:
    if isinstance(value, float) and math.isfinite(value) and 0 < value < 100_000:
        return int(value)
    return None
