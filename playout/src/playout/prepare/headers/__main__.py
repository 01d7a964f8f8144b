"""Makes `golden.json` again with the encoder at hand; prints what changed."""

from __future__ import annotations

import json
import sys

from playout.media import HOUSE_AUDIO, VIDEO_PROFILES
from playout.prepare.encoder import Encoder
from playout.prepare.headers import GOLDEN_FILE
from playout.prepare.pictures import Tag, TagReader
from playout.prepare.plan import PRESETS, PrepareOptions, encoder_arguments, pipe_arguments


def main() -> int:
    """Encode one picture of each profile and a second of silence; exit status 1 on a change."""
    before = json.loads(GOLDEN_FILE.read_text()) if GOLDEN_FILE.exists() else {}
    video = {}
    for profile in VIDEO_PROFILES.values():
        source = f"color=c=black:s={profile.width}x{profile.height}:r={profile.fps}"
        options = PrepareOptions(preset=PRESETS[0])
        shown = ["-f", "lavfi", "-i", source, "-frames:v", "1"]
        tags = _tags([*shown, *encoder_arguments(profile, options)])
        video[profile.id] = next(tag for tag in tags if tag.is_header).payload.hex()
        sys.stderr.write(f"{profile.id} {video[profile.id]}\n")
    heard = ["-f", "lavfi", "-i", f"anullsrc=r={HOUSE_AUDIO.sample_rate}:cl=stereo", "-t", "2",
             "-c:a", "aac", "-profile:a", "aac_low", "-b:a", f"{HOUSE_AUDIO.kbps}k",
             "-flags:a", "+bitexact"]  # fmt: skip
    frames = [tag.payload for tag in _tags(heard) if tag.is_media]
    golden = {"video": video, "silence": {HOUSE_AUDIO.id: frames[-8].hex()}}
    GOLDEN_FILE.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    changed = golden != before
    sys.stderr.write("The headers have changed.\n" if changed else "Nothing has changed.\n")
    return int(changed)


def _tags(arguments: list[str]) -> list[Tag]:
    reader, tags = TagReader(), list[Tag]()
    Encoder(wall_seconds=60).run(
        lambda pipes: [*arguments, *pipe_arguments(pipes[0])],
        [lambda data: tags.extend(reader.feed(data))],
    )
    return tags


if __name__ == "__main__":
    sys.exit(main())
