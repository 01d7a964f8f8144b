"""The two small C programs of a measurement, built when it begins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).parent


def build(name: str, directory: Path, *, tls: bool) -> Path | None:
    """Compile `name`.c into `directory`; None when this machine cannot.

    That is the case without a C compiler, and for `tls` without the headers of OpenSSL.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    program = directory / name
    command = [compiler, "-O2", "-o", str(program)]
    command += ["-DWITH_TLS"] if tls else []
    command += [str(_HERE / f"{name}.c")]
    command += ["-lssl", "-lcrypto"] if tls else []
    built = subprocess.run(command, capture_output=True, check=False)
    return program if built.returncode == 0 else None
