"""Numbers for Prometheus; those of the whole installation are read when somebody asks.

docs/reference/metrics.md explains each; a test compares the page with what is exposed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    REGISTRY,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from apps.streaming.models import Node
from apps.streaming.selectors import output_figures, outputs_overview, pump_figures

_OUTPUT = ("stream", "output", "node")
_PUMP = ("node", "pump")
_NAMED = ("node", "name")

_GAUGES = (
    ("output_on_air", "on_air", "1 while the ingest acknowledges what we send."),
    ("output_kbps", "kbps", "Media that the ingest took over the last seconds, in kbit/s."),
    ("output_unsent_bytes", "unsent_bytes", "Given to the connection and not yet taken."),
    ("output_late_milliseconds", "late_ms", "99th percentile of the lateness of its pump."),
)
_COUNTERS = (
    ("output_bytes_sent", "bytes_sent", "Bytes sent in the present session."),
    ("output_bytes_acked", "bytes_acked", "Bytes that the ingest took in the present session."),
    ("output_reconnects", "reconnects", "Connections after the first one."),
    ("output_joins", "joins", "Items that followed another."),
    ("output_jumps", "jumps", "How often overdue media was left out."),
    ("output_substitutions", "substitutions", "Items that could not be played as written."),
)
_HORIZON = "output_cache_horizon_seconds"


class Outputs(Collector):
    """How many outputs should be on air, how many are, and how each of them does."""

    def collect(self) -> Iterator[Metric]:
        """Four reads of the database, however many outputs there are."""
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
        yield from _each_output(output_figures())
        yield from _each_pump(pump_figures())


def _each_output(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    labels = [[str(row["stream_id"]), str(row["pk"]), row["node"]] for row in rows]
    families: list[tuple[GaugeMetricFamily | CounterMetricFamily, str]] = [
        *((GaugeMetricFamily(name, text, labels=_OUTPUT), key) for name, key, text in _GAUGES),
        *((CounterMetricFamily(name, text, labels=_OUTPUT), key) for name, key, text in _COUNTERS),
    ]
    for family, key in families:
        for row, label in zip(rows, labels, strict=True):
            family.add_metric(label, float(row[key]))
        yield family
    horizon = GaugeMetricFamily(
        _HORIZON, "Media on the node's disk from now on; absent where all of it is.", labels=_OUTPUT
    )
    for row, label in zip(rows, labels, strict=True):
        if row["cache_horizon_s"] is not None:
            horizon.add_metric(label, row["cache_horizon_s"])
    yield horizon


def _each_pump(nodes: list[tuple[Node, dict[str, dict[str, Any]]]]) -> Iterator[Metric]:
    # Labelled by id: machines of one name would give one series twice, and the whole page away.
    named = GaugeMetricFamily("node_info", "The name of a node that renews.", labels=_NAMED)
    outputs = GaugeMetricFamily("pump_outputs", "Outputs that the pump has.", labels=_PUMP)
    late = HistogramMetricFamily(
        "pump_late_milliseconds", "How late the pump's ticks were.", labels=_PUMP
    )
    for node, pumps in nodes:
        named.add_metric([node.pk, node.name], 1)
        for pump, figures in pumps.items():
            label = [node.pk, pump]
            outputs.add_metric(label, figures.get("outputs", 0))
            bounds, counts = figures.get("bounds_ms", ()), figures.get("lateness", ())
            if counts and len(counts) == len(bounds) + 1:
                edges = [*(str(float(bound)) for bound in bounds), "+Inf"]
                # The sum is not known: it would cost an addition per tick.
                late.add_metric(label, list(zip(edges, counts, strict=True)), sum_value=None)
    yield named
    yield outputs
    yield late


def exposition() -> bytes:
    """All metrics in Prometheus' text form; of every process when they share a directory."""
    ours = CollectorRegistry()
    ours.register(Outputs())
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(ours)  # type: ignore[no-untyped-call]
        return generate_latest(ours)
    return generate_latest(REGISTRY) + generate_latest(ours)
