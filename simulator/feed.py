"""One publisher's connection, measured message by message; time is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from playout.rtmp import flv
from playout.rtmp.events import MessageKind, MessageReceived
from simulator.health import Figures

_WINDOW_S = 10.0
_WRAP = 1 << 32
_VIDEO_CODECS = {7: "h264", 2: "h263", 4: "vp6"}
_ENHANCED = {b"avc1": "h264", b"hvc1": "hevc", b"av01": "av1", b"vp09": "vp9"}
_AUDIO_CODECS = {10: "aac", 2: "mp3", 14: "mp3"}
_SAMPLE_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip


@dataclass
class Feed:
    """Figures of one session."""

    side: str = "primary"
    """primary or backup, by the address that the publisher used."""
    first_media_at: float | None = None
    """Seconds of the service's clock."""
    last_media_at: float | None = None
    width: int = 0
    height: int = 0
    video_codec: str = ""
    audio_codec: str = ""
    profile: int = 0
    sample_rate: int = 0
    channels: int = 0
    _first_ms: int | None = None
    _last_ms: int = 0
    _last_key_ms: int | None = None
    _key_gaps_ms: deque[int] = field(default_factory=lambda: deque(maxlen=3))
    _seen: deque[tuple[float, int, int, bool]] = field(default_factory=deque)
    """Clock, timestamp, bytes and whether it was a picture, of the last seconds."""

    def take(self, message: MessageReceived, now: float) -> None:
        """Note one message; headers and metadata are no media."""
        payload = message.payload
        if message.kind is MessageKind.METADATA or not payload:
            return
        is_video = message.kind is MessageKind.VIDEO
        if is_video:
            self._take_video_header(payload)
            if not flv.is_picture(payload):
                return
            if flv.is_key_frame(payload):
                self._take_key_frame(message.timestamp)
        else:
            self._take_audio_header(payload)
            if flv.is_audio_header(payload):
                return
        if self.first_media_at is None:
            self.first_media_at, self._first_ms = now, message.timestamp
        self.last_media_at = now
        self._last_ms = message.timestamp
        self._seen.append((now, message.timestamp, len(payload), is_video))
        while self._seen and now - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()

    def _take_key_frame(self, timestamp: int) -> None:
        if self._last_key_ms is not None:
            self._key_gaps_ms.append((timestamp - self._last_key_ms) % _WRAP)
        self._last_key_ms = timestamp

    def _take_video_header(self, payload: bytes) -> None:
        if payload[0] & 0x80:
            self.video_codec = _ENHANCED.get(payload[1:5], "unknown")
            return
        self.video_codec = _VIDEO_CODECS.get(payload[0] & 0x0F, "unknown")
        if flv.is_video_header(payload) and len(payload) > 6:
            self.profile = payload[6]

    def _take_audio_header(self, payload: bytes) -> None:
        if payload[0] >> 4 == 9:
            self.audio_codec = {b"mp4a": "aac", b".mp3": "mp3"}.get(payload[1:5], "unknown")
            return
        self.audio_codec = _AUDIO_CODECS.get(payload[0] >> 4, "unknown")
        if flv.is_audio_header(payload) and len(payload) >= 4:
            index = (payload[2] & 0x07) << 1 | payload[3] >> 7
            self.sample_rate = _SAMPLE_RATES[index] if index < len(_SAMPLE_RATES) else 0
            self.channels = payload[3] >> 3 & 0x0F

    def figures(self) -> Figures:
        """As they stand."""
        seen = list(self._seen)
        pictures = [each for each in seen if each[3]]
        clock_s = seen[-1][0] - seen[0][0] if len(seen) > 1 else 0.0
        media_s = _span_s([each[1] for each in seen])
        video_s = _span_s([each[1] for each in pictures])
        total_ms = 0 if self._first_ms is None else (self._last_ms - self._first_ms) % _WRAP
        sound_bytes = sum(each[2] for each in seen if not each[3])
        return Figures(
            media_s=total_ms / 1000,
            has_video=bool(self.video_codec),
            has_audio=bool(self.audio_codec),
            video_codec=self.video_codec,
            audio_codec=self.audio_codec,
            video_kbps=sum(e[2] for e in pictures) * 8 / 1000 / video_s if video_s else 0.0,
            audio_kbps=sound_bytes * 8 / 1000 / media_s if media_s else 0.0,
            fps=(len(pictures) - 1) / video_s if video_s else 0.0,
            width=self.width,
            height=self.height,
            profile=self.profile,
            key_interval_s=max(self._key_gaps_ms, default=0) / 1000,
            sample_rate=self.sample_rate,
            channels=self.channels,
            pace=media_s / clock_s if clock_s >= 2 else 1.0,
        )


def _span_s(times_ms: list[int]) -> float:
    """From the first to the last; 0 where time has gone backwards, as it may at a join."""
    if len(times_ms) < 2:
        return 0.0
    span = (max(times_ms) - min(times_ms)) / 1000
    return span if span < 1000 else 0.0
