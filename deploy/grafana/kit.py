"""The parts that both dashboards are made of: queries, panels, variables and colours.

Written with Grafana's own foundation SDK, so that a panel or an option that Grafana does not know is no valid program.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
JOBS: Final = 'service=~"$service", job=~"$job"'
"""The jobs that are chosen, for the braces of a selector."""
KEY: Final = "on (instance, service, job)"
OF_PROJECT: Final = f'{KEY} group_left (project) huaweicloud_job_info{{project=~"$project"}}'
"""Joins the label ``project`` and leaves only the jobs of the chosen projects."""
IN_PROJECT: Final = f'and {KEY} huaweicloud_job_info{{project=~"$project"}}'
STATES: Final = {
    "pending": "yellow",
    "running": "blue",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "orange",
    "unknown": "purple",
}
"""Every state and its colour."""

Panel = stat.Panel | bargauge.Panel | table.Panel | timeseries.Panel | statetimeline.Panel
P = TypeVar("P", stat.Panel, bargauge.Panel, table.Panel, timeseries.Panel, statetimeline.Panel)


def chosen(metric: str, **labels: str) -> str:
    """Return a selector of a metric of the chosen jobs, those of all projects; *labels* are patterns."""
    more = "".join(f', {label}=~"{pattern}"' for label, pattern in labels.items())
    return f"huaweicloud_job_{metric}{{{JOBS}{more}}}"


def by_job(metric: str, **labels: str) -> str:
    """Return a metric of the chosen jobs and projects, one series for each job and value of its other labels."""
    return f"max without (instance, pod) ({chosen(metric, **labels)} {IN_PROJECT})"


def recorded(rule: str) -> str:
    """Return a recorded series of the chosen jobs and projects."""
    return f'service_job:huaweicloud_job_{rule}{{{JOBS}, project=~"$project"}}'


def in_state(pattern: str) -> str:
    """Return the end of a query that leaves the jobs in a state."""
    return f"and on (service, job) {by_job('state', state=pattern)} == 1"


def _panel(panel: P, title: str, text: str, size: tuple[int, int], unit: str) -> P:
    """Name a panel, say what it shows, and give it its width of 24, its height and its unit."""
    return panel.title(title).description(text).span(size[0]).height(size[1]).datasource(SOURCE).unit(unit)


def _query(expr: str, legend: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(SOURCE).expr(expr).legend_format(legend)


def steps(*colours: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Return from which value on which colour holds; ``None`` is from the least on."""
    marks = [model.Threshold(value=value, color=colour) for value, colour in colours]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(marks)


def number(title: str, text: str, expr: str, colours: dashboard.ThresholdsConfig, unit: str = "short") -> stat.Panel:
    """Return one number."""
    panel = _panel(stat.Panel(), title, text, (4, 4), unit)
    return (
        panel.with_target(_query(expr, title).instant().ref_id("A"))
        .thresholds(colours)
        .color_mode(looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def bars(
    title: str, text: str, expr: str, legend: str, unit: str, colours: dashboard.ThresholdsConfig, size: tuple[int, int]
) -> bargauge.Panel:
    """Return a bar for each series, as they are now."""
    panel = _panel(bargauge.Panel(), title, text, size, unit)
    return (
        panel.with_target(_query(expr, legend).instant().ref_id("A"))
        .thresholds(colours)
        .min(0)
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .show_unfilled(True)
        .no_value("none now")
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )


def lines(
    title: str,
    text: str,
    queries: Sequence[tuple[str, str]],
    unit: str = "short",
    width: int = 8,
    *,
    stack: bool = False,
) -> timeseries.Panel:
    """Return lines over time, of queries each with its legend; *stack* puts them on top of each other."""
    panel = _panel(timeseries.Panel(), title, text, (width, 8), unit)
    for number_, (expr, legend) in enumerate(queries):
        panel = panel.with_target(_query(expr, legend).range().ref_id(chr(ord("A") + number_)))
    mode = looks.StackingMode.NORMAL if stack else looks.StackingMode.NONE
    return (
        panel.min(0)
        .line_width(1)
        .fill_opacity(25 if stack else 8)
        .show_points(looks.VisibilityMode.NEVER)
        .stacking(common.StackingConfig().mode(mode).group("A"))
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
    )


def coloured_states(panel: timeseries.Panel) -> timeseries.Panel:
    """Give the series that are named by a state its colour."""
    for state, colour in STATES.items():
        panel = panel.override_by_name(state, [_fixed(colour)])
    return panel


def timeline(title: str, text: str, expr: str, legend: str, height: int) -> statetimeline.Panel:
    """Return a band for each series, whose values are numbers of states, from 1 on."""
    panel = _panel(statetimeline.Panel(), title, text, (24, height), "short")
    options = {
        str(position): model.ValueMappingResult(text=state, color=colour, index=position)
        for position, (state, colour) in enumerate(STATES.items(), 1)
    }
    return (
        panel.with_target(_query(expr, legend).range().ref_id("A"))
        .mappings([model.ValueMap(options=options)])
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .show_value(looks.VisibilityMode.NEVER)
        .row_height(0.85)
        .line_width(0)
        .fill_opacity(80)
        .legend(_legend())
    )


def rows(
    title: str,
    text: str,
    columns: Sequence[tuple[str, str, str]],
    labels: Sequence[str],
    size: tuple[int, int],
) -> table.Panel:
    """Return a table with a row for each set of *labels*; *columns* have a name, a query and a unit."""
    panel = _panel(table.Panel(), title, text, size, "short").align(looks.FieldTextAlignment.AUTO).filterable(True)
    panel = panel.override_by_name("job", [model.DynamicConfigValue("custom.width", 280)])
    for position, (name, expr, unit) in enumerate(columns):
        ref = chr(ord("A") + position)
        query = _query(expr, name).instant().format(PromQueryFormat.TABLE).ref_id(ref)
        panel = panel.with_target(query).override_by_name(name, [model.DynamicConfigValue("unit", unit)])
    names = {
        "Value" if len(columns) == 1 else f"Value #{chr(ord('A') + n)}": name for n, (name, _, _) in enumerate(columns)
    }
    hidden = {"Time": True} | ({"Value": True} if len(columns) == 1 else {})  # of an info metric, always 1
    order = {name: position for position, name in enumerate([*labels, *names])}
    return panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={})).with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": hidden, "indexByName": order, "renameByName": names},
        )
    )


def bar_cells(panel: table.Panel, name: str) -> table.Panel:
    """Show a column of ratios as bars."""
    cell = {"type": "gauge", "mode": "gradient", "valueDisplayMode": "text"}
    return panel.override_by_name(
        name,
        [
            model.DynamicConfigValue("unit", "percentunit"),
            model.DynamicConfigValue("min", 0),
            model.DynamicConfigValue("max", 1),
            model.DynamicConfigValue("custom.cellOptions", cell),
            _fixed("blue"),
        ],
    )


def state_cells(panel: table.Panel) -> table.Panel:
    """Colour the column ``state``."""
    options = {
        state: {"text": state, "color": colour, "index": position}
        for position, (state, colour) in enumerate(STATES.items())
    }
    return panel.override_by_name(
        "state",
        [
            model.DynamicConfigValue("mappings", [{"type": "value", "options": options}]),
            model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
        ],
    )


def store(uid: str, title: str, text: str, tag: str) -> dashboard.Dashboard:
    """Return an empty dashboard with the choice of a data source, linked with the others of *tag*."""
    link = dashboard.DashboardLink("Exporter dashboards").type(model.DashboardLinkType.DASHBOARDS).tags([tag])
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(text)
        .tags([tag])
        .timezone("browser")
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(link.as_dropdown(False).include_vars(True).keep_time(True))
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )


def section(built: dashboard.Dashboard, title: str, *panels: Panel) -> dashboard.Dashboard:
    """Add a titled row of panels."""
    built = built.with_row(dashboard.Row(title))
    for panel in panels:
        built = built.with_panel(panel)
    return built


def choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Return a variable whose values are asked for; any number of them, or all."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def _legend() -> common.VizLegendOptions:
    below = common.VizLegendOptions().placement(looks.LegendPlacement.BOTTOM)
    return below.display_mode(looks.LegendDisplayMode.LIST).show_legend(True)


def _fixed(colour: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})
