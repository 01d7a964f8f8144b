"""What nodes report in numbers, and where it can be read."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from apps.ops import metrics
from apps.streaming import engine, samples, schedule, stream_manager, tasks
from apps.streaming.models import AsRun, Node, Output, Sample
from playout.supervisor.ports import Aired, OutputReport
from playout.supervisor.states import OutputState
from tests.integration.streaming.conftest import make_stream

pytestmark = pytest.mark.django_db

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "metrics.md"


class EverythingIsHere:
    def bring(self, track_ids):
        pass

    def follow(self, programmes):
        pass

    def horizon_seconds(self, output_id):
        return None

    def is_here(self, track_id):
        return True

    def directory(self, track_id):
        return f"/tracks/{track_id}"


@pytest.fixture
def ports():
    engine.register_node(node="n", name="one", version="1", capacity_mbps=0)
    return engine.DatabaseEngine(EverythingIsHere())


@pytest.fixture
def outputs(ports, workspace, playlist):
    for n in "123":
        stream = make_stream(workspace, playlist, title=f"S{n}", key=f"key-{n}")
        stream_manager.start_stream(stream=stream)
    ports.desired("n", ports.claim("n", 10))
    return list(Output.objects.order_by("pk"))


def on_air(output: Output, **values: object) -> OutputReport:
    report = OutputReport(
        str(output.pk), output.token, 1, OutputState.ON_AIR, schedule.to_ns(timezone.now()),
        bytes_acked=7000, joins=3, jumps=2, substitutions=1, unsent_bytes=512, reconnects=4,
    )  # fmt: skip
    return replace(report, **values)


def test_many_reports_are_stored_in_as_many_queries_as_one(
    ports, outputs, django_assert_max_num_queries
):
    ports.report("n", [on_air(output) for output in outputs])
    later = schedule.to_ns(timezone.now()) + 10**10
    with django_assert_max_num_queries(6):
        ports.report("n", [on_air(output, at_ns=later, bytes_acked=9) for output in outputs])
    assert set(Output.objects.values_list("bytes_acked", "joins", "jumps")) == {(9, 3, 2)}


def test_a_report_with_an_old_token_changes_nothing_among_others_that_count(ports, outputs):
    old, current = outputs[0], outputs[1]
    stale = replace(on_air(old), token=old.token - 1)
    ports.report("n", [stale, on_air(current)])
    old.refresh_from_db()
    current.refresh_from_db()
    assert (old.bytes_acked, old.reported_at) == (0, None)
    assert current.bytes_acked == 7000
    assert current.reported_at is not None


def test_a_stretch_on_air_is_one_row_however_often_it_is_told(ports, outputs):
    output = outputs[0]
    begun = Aired("a", "First", 60, None)
    for as_run in ((begun,), (begun,), (replace(begun, end_frame=150, cause="ingest.lost"),)):
        ports.report("n", [on_air(output, as_run=as_run)])
    row = AsRun.objects.get()
    assert (row.output, row.token, row.title) == (output, output.token, "First")
    assert (row.start_frame, row.end_frame, row.cause) == (60, 150, "ingest.lost")
    assert row.epoch == output.stream.timeline_epoch
    assert (row.started_at - row.epoch).total_seconds() == 2.0
    assert row.ended_at is not None
    assert (row.ended_at - row.started_at).total_seconds() == 3.0


def test_a_row_that_its_process_could_not_end_is_over_where_the_next_one_begins(ports, outputs):
    output = outputs[0]
    ports.report("n", [on_air(output, as_run=(Aired("a", "First", 60, None),))])
    ports.report("n", [on_air(output, as_run=(Aired("b", "Second", 120, None),))])
    rows = list(AsRun.objects.order_by("start_frame").values_list("start_frame", "end_frame"))
    assert rows == [(60, 120), (120, None)]


def test_the_node_that_was_taken_over_says_how_far_it_came_and_nothing_else(ports, outputs):
    output, old = outputs[0], outputs[0].token
    ports.report("n", [on_air(output, as_run=(Aired("a", "First", 60, None),))])
    Output.objects.filter(pk=output.pk).update(token=old + 1, node="other")
    words = (Aired("a", "First", 60, 131, "node.lease_lost"), Aired("b", "Never", 131, 140))
    ports.report("n", [on_air(output, as_run=words, bytes_acked=1)])
    row = AsRun.objects.get()
    assert (row.token, row.end_frame, row.cause) == (old, 131, "node.lease_lost")
    assert row.ended_at is not None
    output.refresh_from_db()
    assert output.bytes_acked != 1


def test_every_metric_is_explained_and_every_output_is_exposed(ports, outputs):
    ports.report("n", [on_air(output) for output in outputs])
    figures = {"outputs": 3, "bounds_ms": [1, 5], "lateness": [4, 6, 7]}
    engine.record_pumps("n", {"pump-0": figures})
    Node.objects.filter(pk="n").update(last_seen=timezone.now())
    families = list(metrics.Outputs().collect())
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE))
    assert explained == {family.name for family in families}
    text = metrics.exposition().decode()
    output = outputs[0]
    labels = f'{{node="n",output="{output.pk}",stream="{output.stream_id}"}}'
    assert f"output_on_air{labels} 1.0" in text
    assert f"output_jumps_total{labels} 2.0" in text
    assert 'pump_late_milliseconds_bucket{le="5.0",node="n",pump="pump-0"} 6.0' in text
    assert 'pump_late_milliseconds_bucket{le="+Inf",node="n",pump="pump-0"} 7.0' in text
    # The label is the same for outputs and pumps, and one more metric says its name.
    assert 'node_info{name="one",node="n"} 1.0' in text


def test_two_nodes_of_one_name_are_two_and_any_name_can_be_read(ports, outputs):
    name = 'a "machine"\\\nof ours'
    for node in ("n", "m"):
        engine.register_node(node=node, name=name, version="1", capacity_mbps=0)
        engine.record_pumps(node, {"pump-0": {"outputs": 1, "bounds_ms": [1], "lateness": [2, 3]}})
    Node.objects.update(last_seen=timezone.now())
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    samples = [sample for family in families for sample in family.samples]
    assert len({(s.name, *sorted(s.labels.items())) for s in samples}) == len(samples)
    assert {s.labels["name"] for s in samples if s.name == "node_info"} == {name}


def test_reading_them_costs_the_same_for_one_output_and_for_many(
    ports, outputs, django_assert_num_queries
):
    with django_assert_num_queries(4):
        list(metrics.Outputs().collect())


MINUTE = 60_000_000_000
BEGUN = schedule.to_ns(datetime(2026, 3, 14, 21, 59, tzinfo=UTC))


def report_minutes(ports, outputs, minutes: int, *, begun: int = BEGUN) -> None:
    """Reports every twenty seconds, 500 kB acknowledged a second."""
    for n in range(3 * minutes + 2):
        ports.report(
            "n",
            [
                on_air(o, at_ns=begun + n * MINUTE // 3, bytes_acked=n * 10**7, session_id="a")
                for o in outputs
            ],
        )


def test_a_minute_of_many_outputs_is_kept_in_the_row_of_its_hour(ports, outputs):
    report_minutes(ports, outputs, 2)
    rows = Sample.objects.filter(output=outputs[0])
    assert [(row.hour.hour, row.acked_kbps.index(4000)) for row in rows] == [(21, 59), (22, 0)]
    assert {tuple(row.unsent_bytes[-1:]) for row in rows} == {(512,), (None,)}
    assert Sample.objects.count() == 6


def test_minutes_are_written_once_a_minute_and_not_by_each_report(ports, outputs):
    with CaptureQueriesContext(connection) as queries:
        report_minutes(ports, outputs, 3)
    table = Sample._meta.db_table
    statements = [q["sql"] for q in queries if table in q["sql"]]
    assert len(statements) == 2 * 3


def test_a_node_that_begins_anew_adds_to_the_hour_and_loses_nothing(ports, outputs):
    report_minutes(ports, outputs, 2, begun=BEGUN + MINUTE)
    again = engine.DatabaseEngine(EverythingIsHere())
    report_minutes(again, outputs, 1, begun=BEGUN + 6 * MINUTE)
    (row,) = Sample.objects.filter(output=outputs[0])
    assert [n for n, kbps in enumerate(row.acked_kbps) if kbps is not None] == [0, 1, 5]


def test_minutes_of_an_output_that_was_deleted_keep_no_report_from_being_stored(ports, outputs):
    report_minutes(ports, outputs, 1)
    at = BEGUN + 2 * MINUTE
    ports.report("n", [on_air(output, at_ns=at, bytes_acked=1) for output in outputs])
    later = [on_air(output, at_ns=at + 10**9, bytes_acked=7) for output in outputs]
    outputs[0].delete()
    ports.report("n", later)
    assert set(Output.objects.values_list("bytes_acked", flat=True)) == {7}


def test_hours_that_nobody_looks_at_are_removed(ports, outputs):
    report_minutes(ports, outputs, 1)
    Sample.objects.create(output=outputs[0], hour=samples.hour_of(timezone.now()))
    tasks.prune()
    assert Sample.objects.count() == 1
