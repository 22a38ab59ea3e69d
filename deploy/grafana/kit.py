"""The parts that the dashboards are made of: panels, variables, annotations and colours.

Written with Grafana's own foundation SDK, so that a panel or an option that Grafana does not know is no valid program.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

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
STATES: Final = {
    "pending": "yellow",
    "running": "blue",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "orange",
    "unknown": "purple",
}
"""Every state and its colour."""
POINTS: Final = 300
"""Points of a line, at most: more are not told apart in a panel, and each costs bytes."""
STEP: Final = 300
"""Seconds between the points at which annotations are asked for."""
TO_JOB: Final = {
    "title": "Show this job",
    "url": "/d/huaweicloud-job?"
    + "&".join(
        f"var-{label}=${{__data.fields.{label}:percentencode}}"
        for label in ("cluster", "namespace", "project", "service", "job")
    )
    + "&${datasource:queryparam}&${__url_time_range}",
}
"""From a row of a table to the dashboard of its job."""
TO_PAGE: Final = {
    "title": "Open the exporter's page of this job",
    "url": "${__value.raw}/job?service=${__data.fields.service:percentencode}&job=${__data.fields.job:percentencode}",
    "targetBlank": True,
}
"""From a cell with the address of the exporter's page to the job on it."""

Panel = stat.Panel | bargauge.Panel | table.Panel | timeseries.Panel | statetimeline.Panel
P = TypeVar("P", stat.Panel, bargauge.Panel, table.Panel, timeseries.Panel, statetimeline.Panel)


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
    least: float | None = 0,
) -> timeseries.Panel:
    """Return lines over time, of queries each with its legend; *stack* puts them on top of each other.

    The axis begins at *least*, or where the values do.
    """
    panel = _panel(timeseries.Panel(), title, text, (width, 8), unit)
    for number_, (expr, legend) in enumerate(queries):
        panel = panel.with_target(_query(expr, legend).range().ref_id(chr(ord("A") + number_)))
    mode = looks.StackingMode.NORMAL if stack else looks.StackingMode.NONE
    if least is not None:
        panel = panel.min(least)
    return (
        panel.max_data_points(POINTS)
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
    return (
        panel.with_target(_query(expr, legend).range().ref_id("A"))
        .max_data_points(POINTS)
        .mappings(state_names())
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
    """Return a table with a row for each job or other set of *labels*.

    *columns* have a name, a query and a unit; one without a name brings labels alone. All have the labels of the row.
    """
    panel = _panel(table.Panel(), title, text, size, "short").align(looks.FieldTextAlignment.AUTO).filterable(True)
    panel = panel.override_by_name(
        "job", [model.DynamicConfigValue("custom.width", 280), model.DynamicConfigValue("links", [TO_JOB])]
    )
    names, hidden = {"url": "page"}, {"Time": True}
    for position, (name, expr, unit) in enumerate(columns):
        ref = chr(ord("A") + position)
        value = "Value" if len(columns) == 1 else f"Value #{ref}"
        query = _query(expr, name).instant().format(PromQueryFormat.TABLE).ref_id(ref)
        panel = panel.with_target(query)
        if name:
            panel = panel.override_by_name(name, [model.DynamicConfigValue("unit", unit)])
            names[value] = name
        else:
            hidden[value] = True
    order = {name: position for position, name in enumerate([*labels, *names])}
    return panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={})).with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": hidden, "indexByName": order, "renameByName": names},
        )
    )


def page_cells(panel: table.Panel) -> table.Panel:
    """Show the column ``page``, an address, as a link to the job of its row."""
    shown = {"type": "regex", "options": {"pattern": ".+", "result": {"text": "open", "index": 0}}}
    return panel.override_by_name(
        "page",
        [
            model.DynamicConfigValue("mappings", [shown]),
            model.DynamicConfigValue("links", [TO_PAGE]),
            model.DynamicConfigValue("custom.width", 70),
        ],
    )


def time_left_cells(panel: table.Panel, name: str) -> table.Panel:
    """Colour a column of seconds that are left: none left is red."""
    return panel.override_by_name(
        name,
        [
            model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            model.DynamicConfigValue("thresholds", steps((None, "red"), (0, "green")).build()),
            model.DynamicConfigValue("color", {"mode": "thresholds"}),
        ],
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


def state_names() -> list[model.ValueMapping]:
    """Return what turns the numbers of states, from 1 on, into their words and colours."""
    options = {
        str(position): model.ValueMappingResult(text=state, color=colour, index=position)
        for position, (state, colour) in enumerate(STATES.items(), 1)
    }
    return [model.ValueMap(options=options)]


def numbered(state: Callable[[str], str]) -> str:
    """Return the number of the state that holds, from 1 on; *state* gives the series of one."""
    return " or ".join(f"({state(name)} == 1) * {number_}" for number_, name in enumerate(STATES, 1))


def store(uid: str, title: str, text: str, tag: str, since: str) -> dashboard.Dashboard:
    """Return an empty dashboard with the choice of a data source, linked with the others of *tag*."""
    link = dashboard.DashboardLink("Exporter dashboards").type(model.DashboardLinkType.DASHBOARDS).tags([tag])
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(text)
        .tags([tag])
        .timezone("browser")
        .refresh("1m")
        .time(since, "now")
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


def folded(built: dashboard.Dashboard, title: str, *panels: Panel) -> dashboard.Dashboard:
    """Add a titled row of panels that are asked for only once it is opened."""
    row = dashboard.Row(title)
    for panel in panels:
        row = row.with_panel(panel)
    return built.with_row(row)


def choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Return a variable whose values are asked for; any number of them, or all."""
    return _asked(name, label, query).multi(True).include_all(True).all_value(".*").current(_ALL)


def one_of(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Return a variable whose values are asked for, of which one is chosen."""
    return _asked(name, label, query)


def names(name: str, query: str) -> dashboard.QueryVariable:
    """Return a variable that nobody sees: the names of the jobs that *query* finds."""
    found = _asked(name, name, f"query_result({query})").regex('/job="([^"]+)"/').hide(model.VariableHide.HIDE_VARIABLE)
    return found.multi(True).include_all(True).current(_ALL)


def limit(name: str, label: str, values: Sequence[int]) -> dashboard.CustomVariable:
    """Return a variable with the numbers to choose from; the first is chosen."""
    first = model.VariableOption(selected=True, text=str(values[0]), value=str(values[0]))
    return dashboard.CustomVariable(name).label(label).values(", ".join(map(str, values))).current(first)


def event(name: str, colour: str, time: str, text: str, *, enable: bool = True) -> dict[str, Any]:
    """Return an annotation at each time that *time*, a query of Unix times, has been telling for less than a step.

    It is as Grafana's Prometheus data source reads it; the SDK knows only a part of that.
    """
    return {
        "name": name,
        "enable": enable,
        "hide": False,
        "iconColor": colour,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "target": {"refId": "Anno", "expr": f"1000 * (({time}) > time() - {STEP})", "interval": f"{STEP}s"},
        "useValueForTime": "on",
        "titleFormat": name,
        "textFormat": text,
    }


_ALL: Final = model.VariableOption(selected=True, text="All", value="$__all")


def _asked(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _legend() -> common.VizLegendOptions:
    below = common.VizLegendOptions().placement(looks.LegendPlacement.BOTTOM)
    return below.display_mode(looks.LegendDisplayMode.LIST).show_legend(True)


def _fixed(colour: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})
