"""What a node needs to go on without its database: the wishes of its own outputs, on its own disk.

Stream keys are among them, so the file is sealed under a key that never leaves the node.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

from playout.errors import PlayoutError
from playout.node.deadline import Deadline
from playout.node.messages import desired_from_json, desired_to_json
from playout.supervisor.ports import Lease
from playout.supervisor.supervisor import Remembered

log = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class DiskMemory:
    """Implements `Memory` in the directory of a node.

    `seal` and `unseal` encrypt and decrypt; `unseal` raises ValueError for what was not sealed
    under the same key.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seal: Callable[[bytes], bytes],
        unseal: Callable[[bytes], bytes],
    ) -> None:
        self._path = directory / "memory"
        self._seal = seal
        self._unseal = unseal
        self._confirmed = Deadline(directory / "memory.confirmed")
        self._boot = _boot_id()

    def confirm(self, at_ns: int) -> None:
        """See `Memory`; one store, no message."""
        self._confirmed.extend(at_ns)

    def save(self, remembered: Remembered) -> None:
        """See `Memory`. A disk that cannot be written costs the memory, not the streams."""
        if remembered.confirmed_ns < self._confirmed.until_ns:
            # The clock began again with the machine.
            self._confirmed.begin(remembered.confirmed_ns)
        values = {
            "boot": self._boot,
            "alone": remembered.alone,
            "peers": dict(remembered.peers),
            "leases": [[lease.output_id, lease.token] for lease in remembered.leases],
            "wishes": [desired_to_json(wish) for wish in remembered.wishes if wish.on],
        }
        draft = self._path.with_suffix(".new")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._seal(json.dumps(values).encode()))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            log.warning("What is on air cannot be written down: %s", error)

    def load(self) -> Remembered | None:
        """See `Memory`; None as well for a file of another boot, whose clock means nothing."""
        try:
            values = json.loads(self._unseal(self._path.read_bytes()))
            if values["boot"] != self._boot:
                return None
            return Remembered(
                leases=tuple(Lease(str(id_), int(token)) for id_, token in values["leases"]),
                wishes=tuple(desired_from_json(wish) for wish in values["wishes"]),
                alone=bool(values["alone"]),
                peers={str(node): str(address) for node, address in values["peers"].items()},
                confirmed_ns=self._confirmed.until_ns,
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, PlayoutError) as error:
            log.warning("What was on air cannot be read (%s).", type(error).__name__)
            return None


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
