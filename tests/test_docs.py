"""The documents say what the code does."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from exporter.cli import configuration, reference
from exporter.config import load
from exporter.metrics.catalogue import families
from exporter.model.reason import Reason
from exporter.reload import FIXED
from exporter.services import registry

ROOT = Path(__file__).parents[1]
DLI = """is_success message job_id status sub_job_id progress sub_jobs"""
SUB_JOBS = """id name description submission_time completion_time stage_ids job_group status num_tasks num_active_tasks
num_completed_tasks num_skipped_tasks num_failed_tasks num_killed_tasks num_completed_indices num_active_stages
num_completed_stages num_skipped_stages num_failed_stages killed_tasks_summary"""
DWS = """job_id job_name begin_time end_time status failed_code failed_detail progress"""
CDM = """submissions isIncrementing job-name counters isStopingIncrement is-execute-auto last-update-date
last-udpate-user last-update-user isDeleteJob creation-user creation-date external-id progress submission-id delete_rows
update_rows write_rows execute-date status error-details error-summary BYTES_WRITTEN TOTAL_FILES ROWS_READ BYTES_READ
ROWS_WRITTEN FILES_WRITTEN FILES_READ TOTAL_SIZE FILES_SKIPPED ROWS_WRITTEN_SKIPPED"""
DLI_LIST = """job_id job_type queue_name owner start_time duration status input_row_count bad_row_count input_size
result_count database_name table_name with_column_header detail engine_type statement tags message end_time cpu_cost
output_byte result_path result_format execution_details_path"""
SPARK = """id state create_time update_time duration queue cluster_name owner name appId sc_type kind proxyUser
spark_version log req_body image feature"""
FLINK = """is_success message job_detail job_id status status_desc start_time duration restart_times create_time
queue_name user_name job_type name has_savepoint update_time desc root_id user_id project_id run_mode
graph_editor_enabled edge_group_ids savepoint_path sql_body main_class entrypoint_args execution_graph job_config"""
DATAARTS = """total instances jobName instanceId status planTime startTime endTime forceSuccess ignoreSuccess
instanceType errorMessage jobInstanceName version executeTime submitTime jobId"""
DATAARTS_NODES = (
    """nodeName status planTime startTime endTime type retryTimes instanceId inputRowCount speed logPath queue"""
)
DATAARTS_JOBS = """name jobType status createUser createTime owner priority startTime endTime lastInstanceStatus
lastInstanceEndTime lastUpdateTime lastUpdateUser path singleNodeJobFlag flinkJobInfo alarms"""
DLI_STATUS = """is_success message job_id job_type job_mode queue_name owner start_time duration status
input_row_count bad_row_count input_size result_count database_name table_name detail statement tags user_conf"""
CDM_CLUSTERS = """id name status isFrozen"""
CDM_LIST = """job_type from-connector-name to-config-values to-link-name driver-config-values from-config-values
to-connector-name name from-link-name creation-user creation-date update-date is_incre_job flag files_read update-user
external_id type execute_start_date delete_rows enabled bytes_written id is_use_sql update_rows group_name bytes_read
execute_update_date write_rows rows_written rows_read files_written is_incrementing execute_create_date status"""
DWS_CLUSTER = """id name status version updated created port endpoints nodes tags user_name number_of_node recent_event
availability_zone enterprise_project_id node_type vpc_id subnet_id public_ip public_endpoints action_progress sub_status
task_status security_group_id failed_reasons.error_code failed_reasons.error_msg"""
DWS_DETAILS = """parameter_group node_type_id order_id private_ip maintain_window elb resize_info.target_node_num
resize_info.origin_node_num resize_info.resize_status resize_info.start_time"""
DWS_REDISTRIBUTION = """redis_info.id redis_info.cluster_id redis_info.start_time redis_info.end_time redis_info.status
redis_conf.redis_mode redis_conf.schedule_conf redis_conf.parallel_jobs redis_conf.parallel_job
redis_conf.priority_policy redis_conf.bucket_split_info redis_progress.bytes_done redis_progress.byte_left
redis_progress.tables_done redis_progress.tables_left redis_progress.table_progress redis_progress.total_progress
redis_progress.redis_rate redis_progress.estimated_time redis_progress.completed redis_progress.initialed
redis_progress.fail_count redis_progress.redistributing redis_progress.status redis_progress.pause_by_user
redis_table_detail.total data[].table_name data[].id data[].schema_name data[].logical_cluster_name data[].size
data[].status schedule_mode pause_enable recover_enable retry_enable update_enable control_enable error_msg"""
DWS_SNAPSHOTS = """id name description started finished size status type cluster_id datastore cluster_name updated
bak_expected_start_time bak_keep_day bak_period db_user progress backup_key prior_backup_key base_backup_key
backup_device total_backup_size base_backup_name support_inplace_restore fine_grained_backup backup_level
fine_grained_backup_detail guest_agent_version cluster_status cluster_task_status
support_fine_grained_cross_version_restore support_fine_grained_asymmetric_restore"""
DWS_ACTIONS = """id action_name status cluster_name submit_time items[].item_name sub_items[].status sub_items[].detail
sub_items[].sub_item_name sub_items[].begin_time sub_items[].end_time sub_items[].estimated_time"""
"""The response tables of the vendor's API references."""


def section(title: str) -> str:
    text = (ROOT / "docs/fields.md").read_text()
    return re.split(r"\n###? ", text.split(f"## {title}", 1)[1], maxsplit=1)[0]


@pytest.mark.parametrize(
    ("title", "fields"),
    [
        ("DLI", [*DLI.split(), *(f"sub_jobs[].{field}" for field in SUB_JOBS.split())]),
        ("DLI Spark: ShowSparkJob", SPARK.split()),
        ("DLI Spark: ListSparkJobs", ["from", "total", "sessions", "create_time"]),
        ("DLI Flink: ShowFlinkJob", FLINK.split()),
        ("DLI Flink: ListFlinkJobs", ["is_success", "message", "job_list", "job_list.total_count", "job_list.jobs"]),
        ("DataArts: ListJobInstances", DATAARTS.split()),
        ("DataArts: ShowJobInstance", ["total", "nodes", *(f"nodes[].{field}" for field in DATAARTS_NODES.split())]),
        ("DataArts: ListFactoryJobs", ["total", "jobs", *(f"jobs[].{field}" for field in DATAARTS_JOBS.split())]),
        ("DWS", DWS.split()),
        ("CDM", CDM.split()),
        (
            "DLI: ListSqlJobs",
            ["is_success", "message", "job_count", "jobs", *(f"jobs[].{field}" for field in DLI_LIST.split())],
        ),
        ("DLI: ShowSqlJobStatus", DLI_STATUS.split()),
        (
            "DWS: ListClusters, ListClusterDetails",
            [
                *("clusters", "count"),
                *(f"clusters[].{field}" for field in DWS_CLUSTER.split()),
                *DWS_DETAILS.split(),
            ],
        ),
        ("DWS: ShowClusterRedistribution", DWS_REDISTRIBUTION.split()),
        ("DWS: ListSnapshots", ["snapshots", "count", *(f"snapshots[].{field}" for field in DWS_SNAPSHOTS.split())]),
        ("DWS: ListClusterActions", DWS_ACTIONS.split()),
        ("CDM: ListClusters", [f"clusters[].{field}" for field in CDM_CLUSTERS.split()]),
        (
            "CDM: ShowJobs",
            ["total", "page_no", "page_size", "jobs", *(f"jobs[].{field}" for field in CDM_LIST.split())],
        ),
        ("CDM: ShowSubmissions", ["submissions", "total", "page_no", "page_size"]),
    ],
)
def test_every_field_of_the_vendors_tables_has_its_row(title: str, fields: list[str]) -> None:
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("|")]
    documented = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}

    assert documented == set(fields)


@pytest.mark.parametrize("page", ["fields", "runs"])
def test_every_metric_named_in_the_documents_exists(page: str) -> None:
    names = set(re.findall(r"huaweicloud_job_(?!exporter)\w+", (ROOT / f"docs/{page}.md").read_text()))

    ended = {family.name + end for family in families(registry.declared()) for end in ("", "_count", "_sum")}
    assert names <= ended | {name for name, *_ in reference.all_own().catalogue}


def test_every_reason_is_explained() -> None:
    for reason in Reason:
        assert f"| `{reason}` |" in section("Why a poll fails")


def test_the_metric_reference_is_what_the_code_says() -> None:
    assert (ROOT / "docs/metrics.md").read_text() == reference.render_metrics()


def anchors(page: Path) -> set[str]:
    """Return the names by which the headings of a page can be linked to, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_no_link_in_the_documents_is_dead() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for path, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)", page.read_text()):
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {path}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {path}#{anchor}"


def test_the_configuration_page_is_what_the_code_prints() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == configuration.render_configuration()


def test_every_variable_of_the_configuration_page_sets_something(tmp_path: Path) -> None:
    page = configuration.render_configuration()
    known = {"EXPORTER_WEB__LINGER": "3s", "EXPORTER_POLL__LIST_INTERVAL": "50s", "EXPORTER_SHARDING__SHARDS": "2"}
    example = ROOT / "config/minimal.yaml"

    assert all(f"`{name}`" in page for name in known)
    settings = load(example, known)
    assert (settings.web.linger, settings.poll.list_interval, settings.sharding.shards) == (3, 50, 2)


@cache
def defined_methods() -> set[str]:
    defined = set()
    for module in (ROOT / "exporter").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ClassDef):
                functions = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
                defined |= {f"{node.name}.{each.name}" for each in functions}
    return defined


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_file_and_function_that_a_developer_is_sent_to_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    quoted = set(re.findall(r"`([^`\s]+)`", text))
    files = {each for each in quoted if re.fullmatch(r"\.?\w[\w./-]*/[\w./-]*|[\w-]+\.(py|md|toml)", each)}
    methods = {each for each in quoted if re.fullmatch(r"[A-Z]\w+\.(?!md$|yaml$)[a-z_]\w*", each)}

    assert files
    assert [each for each in sorted(files) if not (ROOT / each).exists()] == []
    assert sorted(methods - defined_methods()) == []
    for function, file in re.findall(r"`(\w+)` in\s+`(exporter/[\w/]+\.py)`", text):
        assert f"def {function}(" in (ROOT / file).read_text(), (function, file)


def test_the_index_has_every_document_once() -> None:
    linked = re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs/index.md").read_text())

    assert sorted(linked) == sorted({page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"})


def test_llms_txt_has_every_document_once_in_the_form_of_llmstxt_org() -> None:
    head, *sections = (ROOT / "llms.txt").read_text().split("\n## ")
    assert re.fullmatch(r"# [\w-]+\n\n(> .+\n)+\n[^#]+", head)
    lines = [line for each in sections for line in each.splitlines()[1:] if line]
    links = [re.fullmatch(r"- \[[^\]]+\]\(([^)]+)\): \S.*", line) for line in lines]
    paths = [found[1] for found in links if found]

    assert len(paths) == len(lines) == len(set(paths))
    assert all((ROOT / path).is_file() for path in paths)
    assert {page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").glob("*.md")} <= set(paths)


def test_every_package_that_is_shipped_stands_under_a_licence_that_is_told() -> None:
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE)
    told = dict(re.findall(r"^\| ([\w-]+) \| (.+) \|$", (ROOT / "docs/licences.md").read_text(), re.MULTILINE))

    listed = {re.sub(r"[-_.]+", "-", name.lower()): licence for name, licence in told.items()}
    for package in pinned:
        assert listed[re.sub(r"[-_.]+", "-", package.lower())] != "unknown"


def test_the_settings_that_a_reload_refuses_to_change_are_said_to_need_a_restart() -> None:
    lines = [line for line in configuration.render_configuration().splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1]: line for line in lines}
    told = {name for name, line in rows.items() if "needs a restart" in line}
    (line,) = (each for each in (ROOT / "docs/running.md").read_text().splitlines() if "need a restart" in each)

    assert told == set(FIXED) == {name for name in rows if f"`{name}`" in line}
