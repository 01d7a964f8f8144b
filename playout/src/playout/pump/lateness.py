"""How late the pump's ticks were: a histogram that costs one addition per tick."""

from __future__ import annotations

_BUCKETS_PER_MS = 4
_LARGEST_MS = 2000
BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 250, 500, 1000)
"""Upper bounds of the histogram's buckets, for whoever draws it."""


class Lateness:
    """Counts delays in quarter milliseconds; what is above two seconds counts as two seconds."""

    def __init__(self) -> None:
        self._counts = [0] * (_LARGEST_MS * _BUCKETS_PER_MS + 1)
        self.max_ms = 0.0
        self._highest = 0
        """The last bucket that was ever used."""

    def add(self, late_ms: float) -> None:
        """Count one tick that came `late_ms` after it was due."""
        if late_ms > self.max_ms:
            self.max_ms = late_ms
        bucket = int(late_ms * _BUCKETS_PER_MS) if late_ms > 0 else 0
        if bucket > self._highest:
            self._highest = bucket = min(bucket, _LARGEST_MS * _BUCKETS_PER_MS)
        self._counts[bucket] += 1

    def percentile_ms(self, share: float) -> float:
        """The delay that `share` (0 to 1) of all ticks did not exceed; 0 when there were none."""
        left = (1 - share) * sum(self._counts[: self._highest + 1])
        # From the far end, where the wanted percentiles lie and most buckets are empty.
        for bucket in range(self._highest, -1, -1):
            left -= self._counts[bucket]
            if left < 0:
                return min((bucket + 1) / _BUCKETS_PER_MS, max(0.0, self.max_ms))
        return 0.0

    def clear(self) -> None:
        """Begin again."""
        self._counts = [0] * len(self._counts)
        self.max_ms = 0.0
        self._highest = 0

    def summary(self) -> dict[str, float]:
        """Median, 99th percentile and maximum, in milliseconds."""
        return {
            "p50": self.percentile_ms(0.5),
            "p99": self.percentile_ms(0.99),
            "max": round(self.max_ms, 2),
        }

    def histogram(self) -> list[int]:
        """Ticks that were at most as late as each of `BOUNDS_MS`, and all ticks."""
        counts, found, begin, total = self._counts, [], 0, 0
        for bound in BOUNDS_MS:
            end = bound * _BUCKETS_PER_MS
            total += sum(counts[begin:end])
            found.append(total)
            begin = end
        return [*found, total + sum(counts[begin : self._highest + 1])]
