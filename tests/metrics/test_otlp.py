"""The jobs' metrics in OTLP: every sample once, as a receiver that knows the protocol reads it."""

import json
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from exporter.metrics import otlp
from tests import otlp as receiver
from tests.otlp import Received

NOW = 1_700_000_000.25
TEXT = """\
# HELP huaweicloud_job_state The state
# TYPE huaweicloud_job_state gauge
huaweicloud_job_state{service="cdm",job="a \\"quoted\\" 订单",state="running"} 1
huaweicloud_job_state{service="cdm",job="a \\"quoted\\" 订单",state="failed"} 0
# HELP huaweicloud_job_progress_ratio Progress
# TYPE huaweicloud_job_progress_ratio gauge
huaweicloud_job_progress_ratio{service="cdm",job="a"} 0.25
# HELP huaweicloud_job_start_timestamp_seconds Begin
# TYPE huaweicloud_job_start_timestamp_seconds gauge
huaweicloud_job_start_timestamp_seconds{service="cdm",job="a"} 1.7e9
# HELP huaweicloud_job_runs_read_bytes_total Bytes
# TYPE huaweicloud_job_runs_read_bytes_total counter
huaweicloud_job_runs_read_bytes_total{service="cdm",job="a"} 1e20
# HELP huaweicloud_job_run_duration_seconds How long
# TYPE huaweicloud_job_run_duration_seconds summary
huaweicloud_job_run_duration_seconds_count{service="cdm",job="a",result="failed"} 0
huaweicloud_job_run_duration_seconds_sum{service="cdm",job="a",result="failed"} 0
huaweicloud_job_run_duration_seconds_count{service="cdm",job="a",result="succeeded"} 3
huaweicloud_job_run_duration_seconds_sum{service="cdm",job="a",result="succeeded"} 12.5
"""
HISTOGRAM = """\
# HELP huaweicloud_job_run_duration_seconds How long
# TYPE huaweicloud_job_run_duration_seconds histogram
huaweicloud_job_run_duration_seconds_bucket{service="cdm",job="a",result="failed",le="60.0"} 1
huaweicloud_job_run_duration_seconds_bucket{service="cdm",job="a",result="failed",le="600.0"} 4
huaweicloud_job_run_duration_seconds_bucket{service="cdm",job="a",result="failed",le="+Inf"} 5
huaweicloud_job_run_duration_seconds_count{service="cdm",job="a",result="failed"} 5
huaweicloud_job_run_duration_seconds_sum{service="cdm",job="a",result="failed"} 2000.5
"""


def body(*texts: str) -> Any:
    families: list[Metric] = [family for text in texts for family in text_string_to_metric_families(text)]
    return json.loads(otlp.request(families, NOW, "exporter", "1.2.3"))


def metrics(*texts: str) -> dict[str, Received]:
    return receiver.received(body(*texts))


def test_each_kind_of_metric_is_the_same_kind_with_its_name_unit_and_help() -> None:
    assert {name: (each.kind, each.unit, each.description) for name, each in metrics(TEXT).items()} == {
        "huaweicloud_job_state": ("gauge", "", "The state"),
        "huaweicloud_job_progress_ratio": ("gauge", "1", "Progress"),
        "huaweicloud_job_start_timestamp_seconds": ("gauge", "s", "Begin"),
        "huaweicloud_job_runs_read_bytes_total": ("sum", "By", "Bytes"),
        "huaweicloud_job_run_duration_seconds": ("summary", "s", "How long"),
    }


def test_each_sample_is_a_point_with_its_labels_and_the_time_of_the_push() -> None:
    points = metrics(TEXT)["huaweicloud_job_state"].points

    assert [(point.labels["state"], point.value, point.time) for point in points] == [
        ("running", 1.0, 1_700_000_000_250_000_000),
        ("failed", 0.0, 1_700_000_000_250_000_000),
    ]
    assert all(point.labels["job"] == 'a "quoted" 订单' and point.labels["service"] == "cdm" for point in points)
    (total,) = metrics(TEXT)["huaweicloud_job_runs_read_bytes_total"].points
    assert total.value == 1e20


def test_a_summary_is_its_sum_and_its_count_for_each_result() -> None:
    points = metrics(TEXT)["huaweicloud_job_run_duration_seconds"].points

    assert [(point.labels["result"], point.count, point.total) for point in points] == [
        ("failed", 0, 0.0),
        ("succeeded", 3, 12.5),
    ]


def test_the_buckets_of_a_histogram_hold_no_more_than_their_own() -> None:
    (point,) = metrics(HISTOGRAM)["huaweicloud_job_run_duration_seconds"].points

    assert (point.bounds, point.buckets, point.count, point.total) == ([60.0, 600.0], [1, 3, 1], 5, 2000.5)
    assert "le" not in point.labels


def test_metrics_of_one_name_are_one_metric_with_the_points_of_all_jobs() -> None:
    other = TEXT.replace('job="a', 'job="b')

    both = metrics(TEXT, other)

    assert both.keys() == metrics(TEXT).keys()
    for name, each in metrics(TEXT).items():
        assert len(both[name].points) == 2 * len(each.points)
    assert {point.labels["job"] for point in both["huaweicloud_job_progress_ratio"].points} == {"a", "b"}


def test_google_reads_the_same() -> None:
    """The messages as the OpenTelemetry project compiles them."""
    service = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")

    told = json_format.Parse(
        json.dumps(body(TEXT, HISTOGRAM.replace("run_", "other_"))), service.ExportMetricsServiceRequest()
    )

    read = {metric.name: metric for metric in told.resource_metrics[0].scope_metrics[0].metrics}
    assert read["huaweicloud_job_runs_read_bytes_total"].sum.is_monotonic
    assert read["huaweicloud_job_runs_read_bytes_total"].sum.aggregation_temporality == 2
    assert [point.as_double for point in read["huaweicloud_job_state"].gauge.data_points] == [1.0, 0.0]
    (point,) = read["huaweicloud_job_other_duration_seconds"].histogram.data_points
    assert list(point.bucket_counts) == [1, 3, 1]
    assert point.time_unix_nano == 1_700_000_000_250_000_000
