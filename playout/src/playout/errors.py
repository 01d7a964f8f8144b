"""Every error the engine raises: one root, a stable code, and the decision that goes with it.

A message says what happened, to which stream or file, and what to do next. It never holds a stream
key or a full publishing address.
"""

from __future__ import annotations

import enum


class Retry(enum.Enum):
    """What whoever caught the error should do about trying again."""

    NEVER = "never"
    """The input or the settings are wrong; a person has to change something."""
    SOON = "soon"
    """A passing fault; try again after the normal back-off."""
    SLOWLY = "slowly"
    """Probably wrong settings, but only the far end knows; keep trying, without hammering."""


class PlayoutError(Exception):
    """Root of all errors of the engine.

    `code` is stable and documented in docs/reference/errors.md; `retry` is the decision;
    `advice` tells a person what to do next, in one sentence.
    """

    code = "playout.failed"
    retry = Retry.SOON
    advice = "Try again; if it stays, report it with the code."

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        super().__init__(message)
        if advice is not None:
            self.advice = advice

    def __str__(self) -> str:
        return f"{self.args[0]} {self.advice}".strip()


# -- source files -------------------------------------------------------------------------------


class SourceError(PlayoutError):
    """The source file cannot be used."""

    code = "source.unusable"
    retry = Retry.NEVER
    advice = "Export the file again as MP4 (H.264 and AAC) and upload that."


class SourceNotFound(SourceError):
    """There is no such file, or it cannot be opened."""

    code = "source.not_found"
    advice = "Check the path and the permissions of the file."


class SourceEmpty(SourceError):
    """The file holds no bytes, or only zeros."""

    code = "source.empty"
    advice = "The upload or the copy was cut off: send the file again."


class SourceNotMedia(SourceError):
    """The content is not a kind of media file that we accept, whatever its name says."""

    code = "source.not_media"
    advice = "Upload a video or audio file, such as MP4, MOV, MKV, WebM, MP3, M4A, FLAC or WAV."


class SourceIsPlaylist(SourceNotMedia):
    """The content is a playlist or script that names other files or addresses."""

    code = "source.playlist"
    advice = "Upload the media files themselves and arrange them in a playlist here."


class SourceIsImage(SourceNotMedia):
    """The content is a still picture where a film was wanted, or one that cannot be used."""

    code = "source.image"
    advice = "Save the picture again as PNG, JPEG or WebP, with the ending that belongs to it."


class SourceTruncated(SourceError):
    """The file ends before its own index or duration says it should."""

    code = "source.truncated"
    advice = "The file is incomplete: export or upload it again."


class SourceCorrupt(SourceError):
    """The file says it is media, but its content cannot be decoded."""

    code = "source.corrupt"


class SourceTooLarge(SourceError):
    """The file exceeds a limit on size, pixels, duration or number of tracks."""

    code = "source.too_large"
    advice = "Use a smaller or shorter file, or ask the operator to raise the limit."


# -- preparation --------------------------------------------------------------------------------


class PrepareError(PlayoutError):
    """Preparing the file into tracks did not succeed."""

    code = "prepare.failed"
    retry = Retry.SOON


class PrepareCancelled(PrepareError):
    """Somebody asked for the preparation to stop."""

    code = "prepare.cancelled"
    retry = Retry.NEVER
    advice = "Start it again when you want it."


class PrepareLimitExceeded(PrepareError):
    """The preparation used more time, memory or disk than it may."""

    code = "prepare.limit"
    retry = Retry.NEVER
    advice = "Use a shorter or smaller file, or ask the operator to raise the limit."


class PrepareOutOfSpace(PrepareError):
    """The disk is full."""

    code = "prepare.no_space"
    retry = Retry.SLOWLY
    advice = "Free some disk space; the partial output was removed."


class PrepareOutUnusable(PrepareError):
    """The folder for the tracks cannot be made or written."""

    code = "prepare.out_unusable"
    retry = Retry.SLOWLY
    advice = "Check its path, its permissions and its disk, or choose another folder."


class PrepareBusy(PrepareError):
    """Another preparation is writing into the same folder."""

    code = "prepare.busy"
    advice = "Wait until it has ended, or choose another folder."


class EncoderMismatch(PrepareError):
    """The encoder produced codec headers that differ from the profile's golden bytes."""

    code = "prepare.header_mismatch"
    retry = Retry.NEVER
    advice = "The encoder differs from the one this release was made for: run the doctor."


class CardUnreadable(PrepareError):
    """The words of a title card cannot be drawn so that people can read them."""

    code = "card.unreadable"
    retry = Retry.NEVER
    advice = (
        "Install a font for it (such as fonts-noto-core or fonts-noto-cjk), or change the text."
    )


class UnknownProfile(PlayoutError):
    """No profile has this name."""

    code = "profile.unknown"
    retry = Retry.NEVER
    advice = "Choose one of the listed profiles."


# -- tracks -------------------------------------------------------------------------------------


class TrackError(PlayoutError):
    """A prepared track cannot be used."""

    code = "track.unusable"
    retry = Retry.NEVER
    advice = "Prepare the source again."


class TrackNotFound(TrackError):
    """There is no track where one was expected."""

    code = "track.not_found"
    advice = "Prepare the source into this directory first."


class TrackCorrupt(TrackError):
    """The bytes of a track differ from what its index says."""

    code = "track.corrupt"


class TrackUnreadable(TrackError):
    """The file of a track that is on air was cut short, or its disk gives no more bytes."""

    code = "track.unreadable"
    advice = "Another item fills its place. Prepare the source again, and check the disk."


class TrackIncomplete(TrackError):
    """A part of a track is not on this machine, or not any more, or is known to be damaged."""

    code = "track.incomplete"
    advice = "Another item fills its place until that part is here. Look at storage and disk."


class TrackVersionUnsupported(TrackError):
    """The track was written in a format that this release does not read."""

    code = "track.version"


class TrackQuarantined(TrackError):
    """Pumps crashed while they sent this track, so it is not sent any more."""

    code = "track.quarantined"
    advice = "Prepare the source again, or remove it from the playlist."


class TracksDisagree(TrackError):
    """Two items of one programme have different codec headers, frame rates or sizes."""

    code = "track.disagree"
    advice = "Prepare all items of a programme with the same profile."


# -- programmes ---------------------------------------------------------------------------------


class ProgrammeError(PlayoutError):
    """The programme cannot be played as written."""

    code = "programme.invalid"
    retry = Retry.NEVER
    advice = "Correct the programme."


class ProgrammeEmpty(ProgrammeError):
    """The programme holds nothing to play."""

    code = "programme.empty"
    advice = "Add at least one prepared item."


# -- ingest -------------------------------------------------------------------------------------


class IngestError(PlayoutError):
    """The ingest could not be reached or ended the session."""

    code = "ingest.failed"
    retry = Retry.SOON
    advice = "We keep trying."


class AddressInvalid(IngestError):
    """The publishing address cannot be understood."""

    code = "ingest.address_invalid"
    retry = Retry.NEVER
    advice = "Give an address such as rtmps://host/app and the stream key."


class AddressNotAllowed(IngestError):
    """The destination policy of this installation does not allow this address."""

    code = "ingest.address_not_allowed"
    retry = Retry.NEVER
    advice = "Use YouTube or another known service, or ask the operator to allow the address."


class HostNotFound(IngestError):
    """The host name of the ingest does not resolve."""

    code = "ingest.host_not_found"
    advice = "Check the spelling of the address; we keep trying."


class ConnectionRefused(IngestError):
    """Nothing listens at the address."""

    code = "ingest.refused"
    advice = "Check the address and the port; we keep trying."


class ConnectionLost(IngestError):
    """The ingest closed the connection, or the network did."""

    code = "ingest.lost"


class IngestTimeout(IngestError):
    """The ingest did not answer in time."""

    code = "ingest.timeout"


class IngestStalled(IngestError):
    """The connection is open but the ingest takes no more bytes."""

    code = "ingest.stalled"


class CertificateInvalid(IngestError):
    """The certificate of the ingest is not valid for its name, or nobody we trust signed it."""

    code = "ingest.certificate"
    retry = Retry.SLOWLY
    advice = (
        "Check the address and this machine's clock; nothing was sent, and the key was not given."
    )


class TlsFailed(IngestError):
    """The far end does not speak TLS as expected."""

    code = "ingest.tls"
    retry = Retry.SLOWLY
    advice = "Check that the address should be rtmps:// and that the port is right."


class StreamKeyRejected(IngestError):
    """The ingest refused the stream key."""

    code = "ingest.key_rejected"
    retry = Retry.SLOWLY
    advice = "Check the stream key; it may be wrong or in use elsewhere. We keep trying."


class ProtocolViolation(IngestError):
    """The far end sent bytes that are not RTMP."""

    code = "ingest.protocol"
    retry = Retry.SLOWLY
    advice = "Check that the address and port belong to an RTMP server."


# -- node ---------------------------------------------------------------------------------------


class LeaseLost(PlayoutError):
    """This node may no longer publish the stream; another one may already do so."""

    code = "node.lease_lost"
    advice = "It goes on where the lease is held."


class PumpLost(PlayoutError):
    """The process that sent the stream ended without being asked to."""

    code = "node.pump_lost"
    advice = "Another one goes on where the clock says."


class NodeProtocolError(PlayoutError):
    """Node control and pump do not understand each other."""

    code = "node.protocol"
    advice = "Restart the node after its streams have moved away."
