"""Builds the documentation site in .work/site/html, from the pages of docs/, the help of each command and the examples.

Run it as `make docs`. Serve it with `python -m http.server -d .work/site/html`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / ".work/site"
PAGES = SITE / "pages"

PROJECT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "SUPPORT.md")
SITUATIONS: Mapping[str, tuple[str, ...]] = {
    "Hosted: the first peering": ("vpc_peering",),
    "Hybrid: from nothing": ("hybrid_from_nothing",),
    "A hub with several accounts and on-premises networks": ("hub_with_on_premises",),
    "Several clusters and regions with failover": ("regions_with_failover",),
    "Everything at once": ("complete",),
    "Hybrid: prepare the account": ("cross_account_role", "policy_alarm", "service_quotas", "opt_in_region"),
    "Connect a network to a cluster": ("vpc", "peering_role", "network_rules"),
    "Connect many networks, or an office": ("transit_gateway", "vpn"),
    "Reach one service without routes": ("private_link", "remote_agents"),
    "Resolve names in both directions": ("resolver_rules", "dns_forwarding", "hosted_zone"),
    "Give Deployments access to AWS": ("workload_identity",),
    "Restrict traffic to known addresses and domains": ("ip_allowlist", "egress_domains", "egress_hub"),
}
"""The examples by the situation of their reader."""

LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
CODE = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)


def build() -> None:
    """Write the pages, and build the site from them. Raises CalledProcessError for a broken link."""
    shutil.rmtree(SITE, ignore_errors=True)
    navigation = write()
    inherit = json.dumps(str(ROOT / "mkdocs.yml"))
    folders = f"docs_dir: {json.dumps(str(PAGES))}\nsite_dir: {json.dumps(str(SITE / 'html'))}\n"
    (SITE / "mkdocs.yml").write_text(f"INHERIT: {inherit}\n{folders}nav: {json.dumps(navigation)}\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT / ".work/docs"), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-f", str(SITE / "mkdocs.yml")]
    subprocess.run(command, env=environment, check=True)


def write() -> list[object]:
    """Write all pages into `PAGES`, and return the navigation."""
    PAGES.mkdir(parents=True)
    (PAGES / "assets").mkdir()
    shutil.copy(ROOT / "node_modules/mermaid/dist/mermaid.min.js", PAGES / "assets")
    readme = (ROOT / "README.md").read_text()
    documents = {file.name: file for file in sorted((ROOT / "docs").glob("*.md"))}
    listed = list[str](re.findall(r"\]\(docs/([\w-]+\.md)\)", readme.partition("## Documentation")[2]))
    order = [*dict.fromkeys(name for name in listed if name in documents), *sorted(documents.keys() - set(listed))]
    (PAGES / "index.md").write_text(relinked(readme, ROOT))
    for name in order:
        (PAGES / name).write_text(relinked(documents[name].read_text(), ROOT / "docs"))
    for name in PROJECT:
        (PAGES / name).write_text(relinked((ROOT / name).read_text(), ROOT))
    return [
        {"Overview": "index.md"},
        *order,
        {"Commands": list(commands())},
        {"Examples": list(examples())},
        {"Project": list(PROJECT)},
    ]


def relinked(text: str, folder: Path) -> str:
    """Return a page with links for the site. A link to a file that is no page becomes the file's name."""

    def link(match: re.Match[str]) -> str:
        label, target = match.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return match[0]
        path, _, anchor = target.partition("#")
        file = (folder / path).resolve().relative_to(ROOT)
        anchor = f"#{anchor}" if anchor else ""
        match str(file).split("/"):
            case ["README.md"]:
                return f"[{label}](index.md{anchor})"
            case [name] if name in PROJECT:
                return f"[{label}]({name}{anchor})"
            case ["docs", name]:
                return f"[{label}]({name}{anchor})"
            case ["examples", name] if name.endswith(".yaml"):
                return f"[{label}](examples/{Path(name).stem}.md)"
            case _:
                return label

    parts = CODE.split(text)
    return "".join(part if index % 2 else LINK.sub(link, part) for index, part in enumerate(parts))


def commands() -> Iterator[str]:
    """Write a page for each command, from its help, and yield its path."""
    (PAGES / "commands").mkdir()
    yield from _command(())


def _command(words: tuple[str, ...]) -> Iterator[str]:
    environment = os.environ | {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    command = [sys.executable, "main.py", *words, "--help"]
    text = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    path = f"commands/{'-'.join(words) or 'index'}.md"
    title = f"`main.py {' '.join(words)}`" if words else "Commands"
    below = re.findall(r"^  (\w[\w-]*)  ", text.partition("\nCommands:\n")[2], re.MULTILINE)
    links = "".join(f"- [{' '.join((*words, name))}]({'-'.join((*words, name))}.md)\n" for name in below)
    (PAGES / path).write_text(f"# {title}\n\n```text\n{text.strip()}\n```\n\n{links}")
    yield path
    for name in below:
        yield from _command((*words, name))


def examples() -> Iterator[object]:
    """Write a page for each example, by situation, and yield the navigation."""
    (PAGES / "examples").mkdir()
    lines = ["# Examples by situation", ""]
    sections: list[object] = []
    for situation, names in SITUATIONS.items():
        lines += [f"## {situation}", ""]
        for name in names:
            text = (ROOT / f"examples/{name}.yaml").read_text()
            comment = re.findall(r"^# (?!yaml-language-server)(.*)$", text.partition("\nname:")[0], re.MULTILINE)
            about = " ".join(comment)
            lines += [f"- [{name}]({name}.md): {about}"]
            (PAGES / f"examples/{name}.md").write_text(f"# {name}\n\n{about}\n\n```yaml\n{text}```\n")
        lines.append("")
        sections.append({situation: [f"examples/{name}.md" for name in names]})
    (PAGES / "examples/index.md").write_text("\n".join(lines))
    yield "examples/index.md"
    yield from sections


if __name__ == "__main__":
    build()
    print(f"The site is in {(SITE / 'html').relative_to(ROOT)}.")
