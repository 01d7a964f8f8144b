"""One RTMP connection as values: bytes in, events and bytes out.

    publisher = Publisher(app="live2", tc_url="rtmp://host/live2", stream_name=key,
                          handshake_random=random)
    link.write(publisher.bytes_to_send())
    for event in publisher.receive(link.read()):       # Connected | PublishStarted | Rejected
        ...
    link.write(publisher.bytes_to_send())

Once `PublishStarted` was told, the owner may send media of its own making (`chunks.encode_message`,
slices of tracks) and puts what `bytes_to_send` yields between two whole messages, never inside one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from playout.errors import ProtocolViolation
from playout.rtmp import amf0, chunks
from playout.rtmp.chunks import ChunkReader
from playout.rtmp.events import (
    Acknowledged,
    Connected,
    ConnectRequested,
    Event,
    HandshakeCompleted,
    MessageKind,
    MessageReceived,
    Pinged,
    PongReceived,
    PublishEnded,
    PublishRequested,
    PublishStarted,
    ReconnectRequested,
    Rejected,
    StatusReceived,
    Unpublished,
)
from playout.rtmp.handshake import Handshake
from playout.rtmp.messages import (
    COMMAND_CSID,
    METADATA_CSID,
    PUBLISH_CSID,
    STATUS_CSID,
    Command,
    Message,
    MessageType,
    UserControl,
    parse_command,
    set_peer_bandwidth,
    split_aggregate,
    text_of,
    u32_of,
    user_control,
)
from playout.rtmp.states import (
    RECEIVER_TRANSITIONS,
    TRANSITIONS,
    PublisherState,
    PublisherStep,
    ReceiverState,
    ReceiverStep,
    after,
)

DEFAULT_WINDOW_ACK_SIZE = 2_500_000
"""Bytes after which we acknowledge a peer that never named a window."""

MAX_HELD_BYTES = 1 << 20
"""What a client may send behind a question of its own before we answer."""

_WRAP = 1 << 32
_FLASH_VERSION = "FMLE/3.0 (compatible; playout)"
_SERVER_VERSION = "FMS/3,0,1,123"
_REFUSALS = frozenset(
    ("NetStream.Publish.BadName", "NetStream.Publish.Denied", "NetStream.Publish.Rejected",
     "NetStream.Publish.Failed", "NetStream.Failed", "NetConnection.Connect.Rejected",
     "NetConnection.Connect.InvalidApp", "NetConnection.Connect.Failed",
     "NetConnection.Connect.Closed")
)  # fmt: skip
"""Fatal at any level: some servers call everything a `status`, or leave the level out."""
_CONNECT, _RELEASE, _FC_PUBLISH, _CREATE, _PUBLISH, _FC_UNPUBLISH, _DELETE = range(1, 8)


class AcknowledgementCounter:
    """Makes one growing count of the 32-bit counts that a peer acknowledges.

    The counts wrap at 2**32. nginx-rtmp instead starts again from zero near 0xF0000000; that is
    told from a wrap by the size of the step, since no peer acknowledges so much at once.
    """

    _LARGEST_STEP = 64 << 20

    def __init__(self) -> None:
        self.total = 0
        self._last = 0

    def advance(self, count: int) -> bool:
        """Take the next count; False when it shows no progress."""
        step = (count - self._last) % _WRAP
        if count < self._last and step > self._LARGEST_STEP:
            if count > self._last // 2:
                return False  # a little lower than before: an old count, not a new beginning
            step = count
        self._last = count
        self.total += step
        return step > 0


class _Connection:
    """What both roles share: handshake, chunks, acknowledgements, pings."""

    _is_client = False

    def __init__(
        self,
        *,
        handshake: Handshake,
        chunk_size: int,
        max_message_bytes: int,
    ) -> None:
        if not 1 <= chunk_size <= chunks.MAX_CHUNK_SIZE:
            raise ValueError(f"A chunk size of {chunk_size} is not possible.")
        self._handshake = handshake
        self._reader = ChunkReader(max_message_bytes=max_message_bytes)
        self._announced_chunk_size = chunk_size
        self._sending_chunk_size = chunks.DEFAULT_CHUNK_SIZE
        self._out = bytearray()
        self._received_bytes = 0
        self._acknowledged_at = 0
        self._peer_window = DEFAULT_WINDOW_ACK_SIZE
        self._acknowledgements = AcknowledgementCounter()
        self._violation: ProtocolViolation | None = None
        self._events: list[Event] = []
        self._portions: deque[Iterator[Message]] = deque()
        """Received, but not gone through; more than one only while a question is open."""
        self._held_bytes = 0

    def bytes_to_send(self) -> bytes:
        """All bytes queued so far, for the owner to send; they are forgotten here.

        Raises `ProtocolViolation` if the last bytes received were none of RTMP and the events
        before them have been told.
        """
        self._raise_violation()
        out = bytes(self._out)
        self._out.clear()
        return out

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes of the peer, split in any way, and return what they mean.

        Send `bytes_to_send()` afterwards: answers may be queued. Raises `ProtocolViolation` when
        the bytes break the protocol; if they told something before that, it is returned first,
        and the violation is raised by the next call of `receive` or `bytes_to_send`.
        """
        self._raise_violation()
        events: list[Event] = []
        self._events = events
        self._guard(data)
        if not events:
            self._raise_violation()
        return events

    def _guard(self, data: bytes) -> None:
        """Go through what has come, and keep a violation for the next call."""
        try:
            self._take(data)
        except ProtocolViolation as violation:
            self._violation = violation
            self._portions.clear()
            self._break()

    def _raise_violation(self) -> None:
        if self._violation is not None:
            raise self._violation

    def _take(self, data: bytes) -> None:
        if not self._handshake.is_done:
            self._handshake.receive(data)
            self._out += self._handshake.bytes_to_send()
            if not self._handshake.is_done:
                return
            self._events.append(HandshakeCompleted())
            self._shake_done()
            data = self._handshake.trailing
            self._handshake.trailing = b""
        if data:
            self._received_bytes += len(data)
            self._portions.append(self._reader.receive(data))
        self._go_through_portions(len(data))
        if self._received_bytes - self._acknowledged_at >= self._peer_window:
            self._acknowledged_at = self._received_bytes
            count = (self._received_bytes % _WRAP).to_bytes(4, "big")
            self._queue_control(MessageType.ACKNOWLEDGEMENT, count)

    def _go_through_portions(self, size: int) -> None:
        """Take messages until there are no more, or one of them asks the owner a question."""
        while self._portions and not self._is_asking():
            for message in self._portions[0]:
                self._take_message(message)
                if self._is_asking():
                    break
            else:
                self._portions.popleft()
        self._held_bytes = self._held_bytes + size if self._portions else 0
        if self._held_bytes > MAX_HELD_BYTES + size:
            raise ProtocolViolation("The client sends on and on without waiting for an answer.")

    def _take_message(self, message: Message) -> None:
        if message.type == MessageType.ACKNOWLEDGEMENT:
            if self._acknowledgements.advance(u32_of(message)):
                self._events.append(Acknowledged(self._acknowledgements.total))
        elif message.type == MessageType.WINDOW_ACK_SIZE:
            # A window of 0 would ask for an acknowledgement of every byte.
            self._peer_window = u32_of(message) or DEFAULT_WINDOW_ACK_SIZE
        elif message.type == MessageType.USER_CONTROL:
            self._take_user_control(message)
        elif message.type == MessageType.SET_PEER_BANDWIDTH:
            self._limit_bandwidth(u32_of(message))
        elif message.type in (MessageType.AMF0_COMMAND, MessageType.AMF3_COMMAND):
            command = parse_command(message, is_from_server=self._is_client)
            self._take_command(command, message)
        else:
            self._take_media(message)

    def _take_user_control(self, message: Message) -> None:
        if len(message.payload) < 2:
            raise ProtocolViolation("A user control message is cut off.")
        event = int.from_bytes(message.payload[:2], "big")
        if event not in (UserControl.PING_REQUEST, UserControl.PING_RESPONSE):
            return
        if len(message.payload) < 6:
            raise ProtocolViolation("A ping is cut off.")
        if event == UserControl.PING_REQUEST:
            answer = user_control(UserControl.PING_RESPONSE, message.payload[2:6])
            self._queue_control(MessageType.USER_CONTROL, answer)
            self._events.append(Pinged())
        else:
            self._events.append(PongReceived(int.from_bytes(message.payload[2:6], "big")))

    def _queue_control(self, message_type: MessageType, payload: bytes) -> None:
        self._out += chunks.encode_control(message_type, payload, self._sending_chunk_size)

    def _queue_chunk_size(self) -> None:
        size = self._announced_chunk_size
        self._queue_control(MessageType.SET_CHUNK_SIZE, size.to_bytes(4, "big"))
        self._sending_chunk_size = size

    def _queue_command(
        self,
        name: str,
        transaction_id: float,
        *arguments: amf0.Value,
        csid: int = COMMAND_CSID,
        stream_id: int = 0,
    ) -> None:
        self._out += chunks.encode_message(
            csid,
            MessageType.AMF0_COMMAND,
            stream_id,
            0,
            Command(name, transaction_id, arguments).encode(),
            self._sending_chunk_size,
        )

    # -- what a role does with it ---------------------------------------------------------------

    def _shake_done(self) -> None:
        raise NotImplementedError

    def _break(self) -> None:
        raise NotImplementedError

    def _is_asking(self) -> bool:
        """Whether the owner has to answer before the next message means anything."""
        return False

    def _limit_bandwidth(self, window_bytes: int) -> None:
        """The peer limits what we may have in flight; a server does not care."""

    def _take_command(self, command: Command, message: Message) -> None:
        raise NotImplementedError

    def _take_media(self, message: Message) -> None:
        """A client receives none."""


class Publisher(_Connection):
    """The client role: connects, publishes one stream, and hears how it goes.

    `tc_url` is the address without the stream name; a query belongs to both `app` and `tc_url`.
    `stream_name` is the stream key: it appears in no event, state or error. `window_ack_size` is
    how often, in bytes, the server is asked to acknowledge. `handshake_random` are 1528 bytes.
    """

    _is_client = True

    def __init__(
        self,
        *,
        app: str,
        tc_url: str,
        stream_name: str,
        handshake_random: bytes,
        window_ack_size: int = 250_000,
        chunk_size: int = 4096,
        handshake_time_ms: int = 0,
        max_message_bytes: int = chunks.MAX_MESSAGE_BYTES,
    ) -> None:
        super().__init__(
            handshake=Handshake(handshake_random, client=True, time_ms=handshake_time_ms),
            chunk_size=chunk_size,
            max_message_bytes=max_message_bytes,
        )
        self.state = PublisherState.HANDSHAKING
        self.stream_id = 0
        """Message stream of our media; 0 until the server has made it."""
        self._app = app
        self._tc_url = tc_url
        self._stream_name = stream_name
        self._window = window_ack_size
        self._window_told = 0
        self._out += self._handshake.bytes_to_send()

    def queue_metadata(self, metadata: Mapping[str, amf0.Value], *, timestamp: int = 0) -> None:
        """Queue `onMetaData`, on a chunk stream of its own.

        Raises `RuntimeError` unless publishing: before `PublishStarted` it has no stream to go to.
        """
        if self.state is not PublisherState.PUBLISHING:
            raise RuntimeError(f"Nothing is published: the state is {self.state.value}.")
        payload = amf0.encode("@setDataFrame", "onMetaData", amf0.EcmaArray(metadata))
        self._out += chunks.encode_message(
            METADATA_CSID,
            MessageType.AMF0_DATA,
            self.stream_id,
            timestamp,
            payload,
            self._sending_chunk_size,
        )

    def unpublish(self) -> None:
        """Queue the orderly end. `Unpublished` may follow; do not wait for it for long.

        Does nothing when the session has ended already, or never got so far.
        """
        if self.state in (PublisherState.REQUESTING_PUBLISH, PublisherState.PUBLISHING):
            self._queue_command("FCUnpublish", _FC_UNPUBLISH, None, self._stream_name)
            self._queue_command("deleteStream", _DELETE, None, float(self.stream_id))
        self._step(PublisherStep.UNPUBLISH_ASKED)

    def _step(self, step: PublisherStep) -> None:
        self.state = after(TRANSITIONS, self.state, step)

    def _break(self) -> None:
        self._step(PublisherStep.VIOLATED)

    def _shake_done(self) -> None:
        self._step(PublisherStep.HANDSHAKE_DONE)
        if self.state is not PublisherState.CONNECTING:
            return
        self._queue_chunk_size()
        self._queue_command(
            "connect",
            _CONNECT,
            {
                "app": self._app,
                "type": "nonprivate",
                "flashVer": _FLASH_VERSION,
                "swfUrl": self._tc_url,
                "tcUrl": self._tc_url,
            },
        )

    def _limit_bandwidth(self, window_bytes: int) -> None:
        # The answer to a bandwidth is the window that we want acknowledged (section 5.4.5).
        # Ours is small, so it only changes for a server that wants it smaller still.
        if window_bytes:
            self._window = min(self._window, window_bytes)
        if self._window_told and self._window != self._window_told:
            self._tell_window()

    def _tell_window(self) -> None:
        self._window_told = self._window
        self._queue_control(MessageType.WINDOW_ACK_SIZE, self._window.to_bytes(4, "big"))

    def _take_command(self, command: Command, message: Message) -> None:
        info = command.info()
        if command.name == "_result":
            self._take_result(command)
        elif command.name == "_error":
            waiting = {
                PublisherState.CONNECTING: (_CONNECT, "NetConnection.Connect.Rejected"),
                PublisherState.CREATING_STREAM: (_CREATE, "NetConnection.Call.Failed"),
                PublisherState.REQUESTING_PUBLISH: (_PUBLISH, "NetStream.Publish.Rejected"),
            }.get(self.state)
            # Errors about releaseStream and FCPublish are common and harmless.
            if waiting is not None and command.transaction_id == waiting[0]:
                self._refuse(info, waiting[1])
        elif command.name == "onStatus":
            self._take_status(info)
        elif command.name == "close":
            self._refuse({}, "NetConnection.Connect.Closed")

    def _take_result(self, command: Command) -> None:
        if command.transaction_id == _CONNECT and self.state is PublisherState.CONNECTING:
            if text_of(command.info(), "level") == "error":
                self._refuse(command.info(), "NetConnection.Connect.Rejected")
                return
            self._step(PublisherStep.CONNECT_ACCEPTED)
            self._events.append(Connected())
            self._tell_window()
            self._queue_command("releaseStream", _RELEASE, None, self._stream_name)
            self._queue_command("FCPublish", _FC_PUBLISH, None, self._stream_name)
            self._queue_command("createStream", _CREATE, None)
        elif command.transaction_id == _CREATE and self.state is PublisherState.CREATING_STREAM:
            number = command.argument(1)
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise ProtocolViolation("The server made a stream without a number.")
            if not (0 < number < _WRAP and number == int(number)):  # 0 is the connection itself
                raise ProtocolViolation("The server made a stream with an impossible number.")
            self.stream_id = int(number)
            self._step(PublisherStep.STREAM_CREATED)
            self._queue_command(
                "publish",
                _PUBLISH,
                None,
                self._stream_name,
                "live",
                csid=PUBLISH_CSID,
                stream_id=self.stream_id,
            )

    def _take_status(self, info: dict[str, amf0.Value]) -> None:
        code, level = text_of(info, "code"), text_of(info, "level")
        if code == "NetConnection.Connect.ReconnectRequest":
            self._events.append(
                ReconnectRequested(text_of(info, "tcUrl"), self._public(info, "description"))
            )
        elif level == "error" or code in _REFUSALS:
            self._refuse(info, "NetStream.Failed")
        elif code == "NetStream.Publish.Start" and (
            self.state is PublisherState.REQUESTING_PUBLISH
        ):
            self._step(PublisherStep.PUBLISH_ACCEPTED)
            self._events.append(PublishStarted(self.stream_id))
        elif code == "NetStream.Unpublish.Success":
            self._step(PublisherStep.UNPUBLISH_CONFIRMED)
            self._events.append(Unpublished())
        else:
            self._events.append(
                StatusReceived(
                    self._public(info, "code"),
                    self._public(info, "level"),
                    self._public(info, "description"),
                )
            )

    def _refuse(self, info: dict[str, amf0.Value], default_code: str) -> None:
        self._step(PublisherStep.REFUSED)
        self._events.append(
            Rejected(
                self._public(info, "code") or default_code,
                self._public(info, "level") or "error",
                self._public(info, "description"),
            )
        )

    def _public(self, info: dict[str, amf0.Value], key: str) -> str:
        """A text of the server, in one short line and without the stream name: servers echo it."""
        text = text_of(info, key)
        # Many know the stream by what stands before a query.
        for name in dict.fromkeys((self._stream_name, self._stream_name.partition("?")[0])):
            if name:
                text = text.replace(name, "(stream name)")
        # It ends up in terminals and logs, where a line break or an escape would forge other words.
        return "".join(each if each.isprintable() else " " for each in text[:500])


class Receiver(_Connection):
    """The server role, for one client that publishes one stream at a time.

    With `ask_at_connect`, the application is a question too (`ConnectRequested`). `chunk_size` is
    what we announce for our own messages, `window_ack_size` what we ask the client to acknowledge.

    `PublishRequested` and `ConnectRequested` are questions, and always the last event of a call:
    what the client sends behind them waits, up to `MAX_HELD_BYTES`, for `accept` or `reject`.
    """

    def __init__(
        self,
        *,
        handshake_random: bytes,
        handshake_time_ms: int = 0,
        chunk_size: int = 4096,
        window_ack_size: int = DEFAULT_WINDOW_ACK_SIZE,
        ask_at_connect: bool = False,
        max_message_bytes: int = chunks.MAX_MESSAGE_BYTES,
    ) -> None:
        super().__init__(
            handshake=Handshake(handshake_random, client=False, time_ms=handshake_time_ms),
            chunk_size=chunk_size,
            max_message_bytes=max_message_bytes,
        )
        self.state = ReceiverState.HANDSHAKING
        self.app = ""
        self.stream_name = ""
        """The stream key of the last publish request; a secret."""
        self._window = window_ack_size
        self._ask_at_connect = ask_at_connect
        self._transaction_id = 0.0
        self._stream_id = 0
        self._streams_made = 0

    def accept(self) -> list[Event]:
        """Answer the open question with yes.

        Returns what the client has sent behind its question, which is nothing for a client that
        waits for answers. Raises `RuntimeError` when nothing was asked.
        """
        if self.state is ReceiverState.DECIDING_CONNECT:
            self._accept_connect()
        elif self.state is ReceiverState.DECIDING_PUBLISH:
            begin = user_control(UserControl.STREAM_BEGIN, self._stream_id.to_bytes(4, "big"))
            self._queue_control(MessageType.USER_CONTROL, begin)
            self.queue_status("status", "NetStream.Publish.Start", "Publishing.")
        else:
            raise RuntimeError(f"Nothing was asked: the state is {self.state.value}.")
        return self._go_on(ReceiverStep.ACCEPTED)

    def reject(self, code: str, description: str) -> list[Event]:
        """Answer the open question with no, or end a stream that was accepted before.

        Returns what `accept` returns. Raises `RuntimeError` when there is neither.
        """
        if self.state is ReceiverState.DECIDING_CONNECT:
            info: amf0.Value = {"level": "error", "code": code, "description": description}
            self._queue_command("_error", self._transaction_id, None, info)
        elif self.state in (ReceiverState.DECIDING_PUBLISH, ReceiverState.RECEIVING):
            self.queue_status("error", code, description)
        else:
            raise RuntimeError(f"Nothing was asked: the state is {self.state.value}.")
        return self._go_on(ReceiverStep.REFUSED)

    def _go_on(self, step: ReceiverStep) -> list[Event]:
        self._step(step)
        events: list[Event] = []
        self._events = events
        self._guard(b"")
        return events

    def queue_status(self, level: str, code: str, description: str) -> None:
        """Queue an `onStatus` to the client; changes no state."""
        info: amf0.Value = {"level": level, "code": code, "description": description}
        self._queue_command("onStatus", 0, None, info, csid=STATUS_CSID, stream_id=self._stream_id)

    def ping(self, value: int) -> None:
        """Queue a ping; `PongReceived` brings `value` (taken modulo 2**32) back."""
        data = (value % _WRAP).to_bytes(4, "big")
        request = user_control(UserControl.PING_REQUEST, data)
        self._queue_control(MessageType.USER_CONTROL, request)

    def _step(self, step: ReceiverStep) -> None:
        self.state = after(RECEIVER_TRANSITIONS, self.state, step)

    def _break(self) -> None:
        self._step(ReceiverStep.VIOLATED)

    def _is_asking(self) -> bool:
        return self.state in (ReceiverState.DECIDING_CONNECT, ReceiverState.DECIDING_PUBLISH)

    def _shake_done(self) -> None:
        self._step(ReceiverStep.HANDSHAKE_DONE)

    def _take_command(self, command: Command, message: Message) -> None:
        if command.name == "connect":
            self._connect(command)
        elif self.state is ReceiverState.WAITING_FOR_CONNECT:
            raise ProtocolViolation("The client sends commands before it is connected.")
        elif command.name == "createStream":
            self._streams_made += 1
            self._queue_command("_result", command.transaction_id, None, float(self._streams_made))
        elif command.name == "publish":
            self._publish(command, message.stream_id)
        elif command.name in ("FCUnpublish", "deleteStream", "closeStream"):
            self._end(command, message)
        elif command.name == "FCPublish":
            self._queue_command("onFCPublish", 0, None, {"code": "NetStream.Publish.Start"})
        elif command.name == "play":
            self.queue_status("error", "NetStream.Play.Failed", "This server only receives.")
        elif command.name == "releaseStream":
            self._queue_command("_result", command.transaction_id, None, amf0.UNDEFINED)

    def _connect(self, command: Command) -> None:
        if self.state is not ReceiverState.WAITING_FOR_CONNECT:
            raise ProtocolViolation("The client connects twice.")
        info = command.info()
        self.app = text_of(info, "app")
        self._transaction_id = command.transaction_id
        self._step(ReceiverStep.CONNECT_ASKED)
        if self._ask_at_connect:
            self._events.append(ConnectRequested(self.app, text_of(info, "tcUrl")))
        else:
            self._accept_connect()
            self._step(ReceiverStep.ACCEPTED)

    def _accept_connect(self) -> None:
        window = self._window.to_bytes(4, "big")
        self._queue_control(MessageType.WINDOW_ACK_SIZE, window)
        self._queue_control(MessageType.SET_PEER_BANDWIDTH, set_peer_bandwidth(self._window))
        self._queue_chunk_size()
        self._queue_command(
            "_result",
            self._transaction_id,
            {"fmsVer": _SERVER_VERSION, "capabilities": 31.0},
            {
                "level": "status",
                "code": "NetConnection.Connect.Success",
                "description": "Connected.",
                "objectEncoding": 0.0,
            },
        )

    def _publish(self, command: Command, stream_id: int) -> None:
        if self.state is not ReceiverState.CONNECTED:
            self.queue_status(
                "error", "NetStream.Publish.BadName", "This connection publishes already."
            )
            return
        self._stream_id = stream_id
        self.stream_name = command.text(1)
        self._step(ReceiverStep.PUBLISH_ASKED)
        self._events.append(PublishRequested(self.app, self.stream_name))

    def _end(self, command: Command, message: Message) -> None:
        if self.state is not ReceiverState.RECEIVING:
            return
        ours = {
            "FCUnpublish": command.argument(1) == self.stream_name,
            "deleteStream": command.argument(1) == self._stream_id,
            "closeStream": message.stream_id == self._stream_id,
        }
        if not ours[command.name]:
            return
        self._step(ReceiverStep.STREAM_ENDED)
        self.queue_status("status", "NetStream.Unpublish.Success", "The stream has ended.")
        self._events.append(PublishEnded())

    def _take_media(self, message: Message) -> None:
        if self.state is not ReceiverState.RECEIVING:
            return
        if message.type == MessageType.AGGREGATE:
            for part in split_aggregate(message):
                if part.type != MessageType.AGGREGATE:
                    self._take_media(part)
        elif message.type == MessageType.AUDIO:
            self._tell(MessageKind.AUDIO, message, message.payload)
        elif message.type == MessageType.VIDEO:
            self._tell(MessageKind.VIDEO, message, message.payload)
        elif message.type == MessageType.AMF0_DATA:
            self._tell(MessageKind.METADATA, message, _without_set_data_frame(message.payload))
        elif message.type == MessageType.AMF3_DATA:
            self._tell(MessageKind.METADATA, message, _without_set_data_frame(message.payload[1:]))

    def _tell(self, kind: MessageKind, message: Message, payload: bytes) -> None:
        self._events.append(MessageReceived(kind, message.timestamp, payload))


_SET_DATA_FRAME = amf0.encode("@setDataFrame")


def _without_set_data_frame(payload: bytes) -> bytes:
    """The body of a script tag: the order to keep it is for the server, not for the file."""
    return payload.removeprefix(_SET_DATA_FRAME)
