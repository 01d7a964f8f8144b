"""Makes the slate that `playout.tracks.slate` carries: `python -m playout.prepare.slate`."""
