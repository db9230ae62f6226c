"""The page of `main.py status --html`: its map, text from outside, its file, and its layout in a browser."""

import html
import json
import random
import re
import shutil
import subprocess
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from estate.errors import ExitCode, UserError
from estate.load import load
from estate.model import Estate
from operations.status.check import Outcome, State
from operations.status.map import SEVERITY, drawing
from operations.status.page import as_html, write_page
from operations.status.report import Status, as_row
from tests.support import EXAMPLES, ROOT
from tests.support.commands import run
from tools.bench import estate_of

COMPLETE = ROOT / "examples/complete.yaml"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LONG = "a-name-of-31-characters-in-all0"
HOSTILE = "</style><script>document.title='run'</script><img src=//x.example onerror=alert(1)> & `code` `"


def status_of(estate: Estate, told: str = "evidence", seed: int = 1) -> Status:
    """Return a status with three steps for each connection, in random states."""
    chance = random.Random(seed)  # noqa: S311
    rows = [
        as_row(f"connections.{name}", one.type, f"step:{number}", told, Outcome(chance.choice(SEVERITY), told, told))
        for name, one in estate.connections.items()
        for number in range(3)
    ]
    return Status(estate.name, tuple(rows), readable=True)


def crowded(folder: Path) -> Estate:
    """Return an estate of 50 networks, with names of every length."""
    text = re.sub(r"\bn7\b", LONG, estate_of(50)).replace("peer3:", f"{LONG[:-1]}1:")
    (folder / "astro.yaml").write_text(text)
    return load(folder / "astro.yaml")


def map_of(estate: Estate) -> Element:
    states: dict[str, list[State]] = {}
    for row in status_of(estate).rows:
        states.setdefault(row.entry, []).append(row.outcome.state)
    return drawing(estate, states)


def box_of(group: Element) -> tuple[float, float, float, float]:
    rect = next(one for one in group.iter("rect") if one.get("class") == "box")
    x, y, width, height = (float(rect.get(key, "")) for key in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def segments(way: str) -> list[tuple[float, float, float, float]]:
    """Return the straight lines of a path of M, H and V."""
    found, x, y = list[tuple[float, float, float, float]](), 0.0, 0.0
    for command, numbers in re.findall(r"([MHV])([-\d. ]+)", way):
        before, values = (x, y), [float(one) for one in numbers.split()]
        x, y = {"M": values * 1, "H": [values[0], y], "V": [x, values[0]]}[command]
        if command != "M":
            found.append((min(before[0], x), min(before[1], y), max(before[0], x), max(before[1], y)))
    return found


@pytest.mark.parametrize("name", [*(one.stem for one in EXAMPLES), "crowded"])
def test_nothing_overlaps_on_the_map(name: str, tmp_path: Path) -> None:
    estate = crowded(tmp_path) if name == "crowded" else load(ROOT / f"examples/{name}.yaml")
    svg = map_of(estate)
    groups = [
        one for one in svg.iter() if (one.get("class") or "").startswith(("networks ", "clusters ", "connections "))
    ]
    assert len(groups) == len(estate.networks) + len(estate.clusters) + len(estate.connections)
    boxes = [box_of(group) for group in groups]
    for one, other in combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    width, height = (float(svg.get(key, "")) for key in ("width", "height"))
    assert all(box[0] >= 0 and box[2] <= width and box[3] <= height for box in boxes)
    lines = [
        line for path in svg.iter("path") for line in segments(path.get("d", "")) if "way" in path.get("class", "")
    ]
    # Two lines may cross or meet in a point, but never share a stretch.
    for one, other in combinations(lines, 2):
        across = min(one[2], other[2]) - max(one[0], other[0])
        down = min(one[3], other[3]) - max(one[1], other[1])
        assert min(across, down) < 0 or max(across, down) <= 0 or _crosses(one, other)
    for line, box in ((line, box) for line in lines for box in boxes):
        assert line[2] <= box[0] or line[0] >= box[2] or line[3] < box[1] or line[1] > box[3]


def _crosses(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return (one[0] == one[2]) != (other[0] == other[2])


def test_a_dot_joins_each_connection_to_its_clusters() -> None:
    estate = load(COMPLETE)
    svg = map_of(estate)
    tops = {one.get("href"): box_of(one) for one in svg.iter("a")}
    dots = sorted(float(one.get("cy", "")) for one in svg.iter("circle") if one.get("class") == "dot")
    wanted = [
        (tops[f"#connections.{name}"][1] + tops[f"#connections.{name}"][3]) / 2
        for name, one in estate.connections.items()
        for _ in one.cluster_names()
    ]
    assert dots == sorted(wanted)


def test_each_state_has_a_distinct_shape_and_word() -> None:
    estate = load(ROOT / "examples/vpc_peering.yaml")
    (name,) = estate.connections
    shapes: dict[str, str] = {}
    for state in SEVERITY:
        svg = drawing(estate, {f"connections.{name}": ["done", state]})
        (link,) = svg.iter("a")
        (mark,) = (one for one in link.iter("g") if (one.get("class") or "").startswith("mark"))
        shapes[state] = "".join(one.tag + one.get("d", "") for one in mark)
        texts = [one.text for one in link.iter("text")]
        assert texts == [name, f"vpc_peering: {2 if state == 'done' else 1} of 2 {state}"]
    assert len(set(shapes.values())) == len(SEVERITY)
    (link,) = drawing(estate, {}).iter("a")
    assert [one.text for one in link.iter("text")] == [name, "vpc_peering: no steps shown"]


def test_text_by_others_is_text() -> None:
    page = as_html(load(COMPLETE), status_of(load(COMPLETE), HOSTILE), NOW)
    assert "<script" not in page
    assert "<img" not in page
    assert html.escape(HOSTILE.partition("`")[0], quote=False) in page
    assert page.count("</style>") == 1


def test_the_page_loads_nothing() -> None:
    page = as_html(load(COMPLETE), status_of(load(COMPLETE)), NOW)
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in page
    assert not re.findall(
        r"(?:src|url|@import|<link|<script|https?:)", page.replace("style-src", "").replace("-src", "")
    )
    assert {one[0] for one in re.findall(r'href="(.)', page)} == {"#"}
    for target in re.findall(r'href="#([^"]+)', page):
        assert f'id="{target}"' in page


def test_a_page_replaces_only_a_page_of_its_estate(tmp_path: Path) -> None:
    estate, file = load(COMPLETE), tmp_path / "status.html"
    write_page(file, estate, status_of(estate, seed=1), NOW)
    before = file.read_text()
    write_page(file, estate, status_of(estate, seed=2), NOW)
    assert file.read_text() != before
    other = Status("other", (), readable=True)
    file_of_others = tmp_path / "index.html"
    file_of_others.write_text("<!DOCTYPE html>\n<p>mine")
    (tmp_path / "link.html").symlink_to(file)
    for target, written in ((file, other), (file_of_others, status_of(estate)), (tmp_path / "link.html", other)):
        content = target.read_text()
        with pytest.raises(UserError, match="is not a page of ") as raised:
            write_page(target, estate, written, NOW)
        assert raised.value.code is ExitCode.BAD_INPUT
        assert target.read_text() == content
    with pytest.raises(UserError, match="is not a folder; create it first"):
        write_page(tmp_path / "reports/status.html", estate, status_of(estate), NOW)


def test_the_command_writes_the_page_and_its_report(tmp_path: Path) -> None:
    file = tmp_path / "status.html"
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "HOME": str(tmp_path)}
    code, out, err = run("status", str(COMPLETE), "--html", str(file), "--output", "json", **nowhere)
    assert (code, err) == (1, "")
    page = file.read_text()
    for entry in {step["entry"] for step in json.loads(out)["steps"]}:
        assert f'<section id="{entry}">' in page
    file.write_text("mine")
    code, out, err = run("status", str(COMPLETE), "--html", str(file), **nowhere)
    assert (code, out, err.count("\n"), file.read_text()) == (2, "", 1, "mine")


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
MEASURE = """
<script>
const inside = (a, b) => a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
const cut = [...document.querySelectorAll(".map text")].filter((text) =>
  !inside(text.getBoundingClientRect(), text.parentNode.querySelector(".box").getBoundingClientRect()));
const wide = [...document.querySelectorAll("body *:not(.map *)")].filter((one) =>
  one.getBoundingClientRect().right > innerWidth && getComputedStyle(one).display !== "none");
document.body.dataset.cut = cut.map((one) => one.textContent).join();
document.body.dataset.wide = wide.map((one) => one.outerHTML.slice(0, 200)).join();
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH: the page is checked, not drawn")
@pytest.mark.parametrize("width", [500, 1400])
def test_a_browser_shows_every_text_in_full(width: int, tmp_path: Path) -> None:
    estate = crowded(tmp_path)
    page = as_html(estate, status_of(estate, f"{'x' * 200} {HOSTILE}"), NOW)
    assert "default-src 'none'" in page
    # The page forbids scripts, so the measuring script runs in a copy that allows them.
    file = tmp_path / "page.html"
    file.write_text(
        page.replace("default-src 'none'", "script-src 'unsafe-inline'").replace("</body>", f"{MEASURE}</body>")
    )
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={tmp_path}/user"]
    command += [f"--window-size={width},900", "--dump-dom", file.as_uri()]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "<title>Status of bench</title>" in drawn
    (body,) = re.findall(r"<body[^>]*>", drawn)
    assert body == '<body data-cut="" data-wide="">'
