"""Numbers for Prometheus; those of the whole installation are read when somebody asks."""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import REGISTRY, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from apps.streaming.selectors import outputs_overview


class Outputs(Collector):
    """How many outputs should be on air, and how many are."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One read of the database."""
        overview = outputs_overview()
        yield GaugeMetricFamily(
            "outputs_desired", "Outputs that should be on air.", value=overview["desired"]
        )
        yield GaugeMetricFamily(
            "outputs_on_air",
            "Outputs whose ingest acknowledges what we send.",
            value=overview["on_air"],
        )
        alive = sum(node["alive"] for node in overview["nodes"])
        yield GaugeMetricFamily("nodes_alive", "Nodes that renew.", value=alive)


def exposition() -> bytes:
    """All metrics in Prometheus' text form; of every process when they share a directory."""
    ours = CollectorRegistry()
    ours.register(Outputs())
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(ours)  # type: ignore[no-untyped-call]
        return generate_latest(ours)
    return generate_latest(REGISTRY) + generate_latest(ours)
