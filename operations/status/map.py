"""Draws the map of a status page: networks, connections and clusters, each with the state of its steps.

Each connection has one horizontal line, and each cluster one vertical line; a dot joins the two. No lines overlap,
however many there are. Shapes, line styles and words carry the same information as colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from xml.etree.ElementTree import Element, SubElement

from estate.model import Estate
from modules.catalog import Connection
from operations.status.check import State

SEVERITY: tuple[State, ...] = ("failed", "waiting", "unknown", "done")
"""The states of steps, from worst to best."""

States = Mapping[str, Sequence[State]]
"""The states of the steps of each entry of the file."""

_FONT, _SMALL, _LINE = 13, 11, 16
_EM = 0.61
"""The width of a character in fonts of fixed width, which make the size of a text known without a browser."""
_PADDING, _GAP, _ROW, _RAIL = 10, 12, 58, 14
_MARK = 16


@dataclass(frozen=True)
class _Box:
    """A box with a name and lines of text below it."""

    name: str
    lines: tuple[str, ...]

    @property
    def width(self) -> int:
        texts = [len(self.name) * _FONT + _MARK * 2, *(len(one) * _SMALL for one in self.lines)]
        return ceil(max(texts) * _EM) + 2 * _PADDING

    @property
    def height(self) -> int:
        return _LINE * (1 + len(self.lines)) + 2 * _PADDING


def worst(states: Sequence[State]) -> State | None:
    """Return the worst of some states; None if there are none."""
    return next((one for one in SEVERITY if one in states), None)


def summary(states: Sequence[State]) -> str:
    """Return the number of steps in the worst state, in words."""
    if (state := worst(states)) is None:
        return "no steps shown"
    return f"{list(states).count(state)} of {len(states)} {state}"


def mark(state: State | None, parent: Element, x: float = 0, y: float = 0) -> None:
    """Draw the mark of a state, with its top left corner at a place. Each state has another shape."""
    group = SubElement(parent, "g", {"class": f"mark {state or 'none'}", "transform": f"translate({x:g} {y:g})"})
    for tag, attributes in _SHAPES[state]:
        SubElement(group, tag, attributes)


_SHAPES: Mapping[State | None, Sequence[tuple[str, dict[str, str]]]] = {
    "done": (
        ("circle", {"class": "solid", "cx": "8", "cy": "8", "r": "7.5"}),
        ("path", {"class": "on", "d": "M4.5 8.2l2.4 2.6 4.6-5.2"}),
    ),
    "waiting": (
        ("rect", {"class": "hollow", "x": "1", "y": "1", "width": "14", "height": "14", "rx": "3"}),
        ("path", {"class": "line", "d": "M8 4v4.4l3 1.8"}),
    ),
    "failed": (
        ("path", {"class": "solid", "d": "M5 0h6l5 5v6l-5 5h-6l-5-5v-6z"}),
        ("path", {"class": "on", "d": "M5 5l6 6M11 5l-6 6"}),
    ),
    "unknown": (
        ("path", {"class": "hollow", "d": "M8 .8L15.2 8 8 15.2.8 8z"}),
        ("path", {"class": "line", "d": "M5.9 6.2c.2-2.6 4.2-2.4 4.2 0C10.1 7.9 8 7.7 8 9.4M8 11.7v.1"}),
    ),
    None: (("circle", {"class": "hollow", "cx": "8", "cy": "8", "r": "4"}),),
}


def drawing(estate: Estate, states: States) -> Element:
    """Return the map as SVG."""
    by_network: dict[str, list[str]] = {name: [] for name in estate.networks}
    for name, connection in estate.connections.items():
        by_network.setdefault(connection.network, []).append(name)
    networks = {name: _network(estate, name) for name in by_network}
    boxes = {name: _connection(name, one, states) for name, one in estate.connections.items()}
    clusters = {name: _cluster(estate, name) for name in estate.clusters}
    left, middle, right = (
        max((one.width for one in column.values()), default=0) for column in (networks, boxes, clusters)
    )
    at_connections = left + 2 * _GAP
    rails = {name: at_connections + middle + 2 * _GAP + _RAIL * number for number, name in enumerate(clusters)}
    at_clusters = at_connections + middle + 4 * _GAP + _RAIL * len(rails)

    svg = Element("svg", {"role": "img", "aria-label": f"Map of {estate.name}"})
    lines, shapes = SubElement(svg, "g"), SubElement(svg, "g")
    y, ends = float(_GAP), {name: list[float]() for name in clusters}
    for network, named in by_network.items():
        height = max(networks[network].height, _ROW * len(named) - _GAP)
        if network:
            of_network: list[State] = [state for name in named for state in states.get(f"connections.{name}", ())]
            _draw(shapes, networks[network], (0, y, left, height), f"networks.{network}", worst(of_network))
        for number, name in enumerate(named):
            path, top = f"connections.{name}", y + number * _ROW
            centre, state = top + (_ROW - _GAP) / 2, worst(states.get(path, ()))
            served = [one for one in rails if one in estate.connections[name].cluster_names()]
            if network:
                _path(lines, f"M{left:g} {centre:g}H{at_connections:g}", state)
            if served:
                _path(lines, f"M{at_connections + middle:g} {centre:g}H{max(rails[one] for one in served):g}", state)
            for one in served:
                ends[one].append(centre)
            _draw(shapes, boxes[name], (at_connections, top, middle, _ROW - _GAP), path, state)
        y += max(height, _ROW * len(named) - _GAP) + 2 * _GAP
    bottom, y = y, float(_GAP)
    taken = {centre for centres in ends.values() for centre in centres}
    for name, box in clusters.items():
        # A cluster's line must not look like the line of a connection at the same height.
        join = next(at for at in _steps(y + box.height / 2) if all(abs(at - one) >= 5 for one in taken))
        for centre in ends[name]:
            SubElement(shapes, "circle", {"class": "dot", "cx": f"{rails[name]:g}", "cy": f"{centre:g}", "r": "4"})
        if ends[name]:
            first, last = min([*ends[name], join]), max([*ends[name], join])
            _path(lines, f"M{rails[name]:g} {first:g}V{last:g}M{rails[name]:g} {join:g}H{at_clusters:g}")
        of_cluster: list[State] = [
            state
            for connection, one in estate.connections.items()
            if name in one.cluster_names()
            for state in states.get(f"connections.{connection}", ())
        ]
        _draw(shapes, box, (at_clusters, y, right, box.height), f"clusters.{name}", worst(of_cluster))
        y += box.height + _GAP
    width, height = at_clusters + right, max(y, bottom)
    svg.set("viewBox", f"-2 0 {width + 4:g} {height:g}")
    svg.set("width", f"{width + 4:g}")
    svg.set("height", f"{height:g}")
    return svg


def _steps(middle: float) -> Sequence[float]:
    """Return heights near the middle of a box, the nearest first. All rows together leave one of them free."""
    return [middle + sign * step for step in range(0, 20, 2) for sign in (1, -1)]


def _network(estate: Estate, name: str) -> _Box:
    if not name:
        return _Box("", ())
    network = estate.networks[name]
    place = f"{network.account_id}, {network.region}"
    return _Box(name, ("your network", place, *(str(cidr) for _, cidr in network.occupied_cidrs())))


def _cluster(estate: Estate, name: str) -> _Box:
    cluster = estate.clusters[name]
    # A twin has its box too.
    ranges = [str(one) for one in (cluster.cidr, cluster.pod_cidr, *cluster.additional_cidrs.values()) if one]
    return _Box(name, (f"cluster, {cluster.product}", cluster.region, *ranges))


def _connection(name: str, connection: Connection, states: States) -> _Box:
    return _Box(name, (f"{connection.type}: {summary(states.get(f'connections.{name}', ()))}",))


def _draw(parent: Element, box: _Box, place: tuple[float, float, float, float], path: str, state: State | None) -> None:
    x, y, width, height = place
    kind = path.partition(".")[0]
    # Only connections have steps to go to.
    group = SubElement(parent, "a", {"href": f"#{path}"}) if kind == "connections" else SubElement(parent, "g")
    group.set("class", f"{kind} {state or 'none'}")
    SubElement(group, "title").text = ": ".join((path, *box.lines, f"worst state {state}" if state else "no steps"))
    measures = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{width:g}", "height": f"{height:g}", "rx": "6"}
    SubElement(group, "rect", {"class": "box", **measures})
    mark(state, group, x + _PADDING, y + _PADDING - 3)
    for number, text in enumerate((box.name, *box.lines)):
        at = {"x": f"{x + _PADDING + (0 if number else _MARK + 6):g}", "y": f"{y + _PADDING + 10 + _LINE * number:g}"}
        SubElement(group, "text", at | {"class": "small" if number else "name"}).text = text


def _path(parent: Element, way: str, state: State | None = None) -> None:
    SubElement(parent, "path", {"class": f"way {state or 'none'}", "d": way})
