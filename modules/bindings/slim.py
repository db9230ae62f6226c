"""Builds reduced Node packages of constructs, cdktf and the AWS provider's bindings, each with one file of code.

jsii unpacks and indexes a package on first use, and reads its hash at every start. Until the index of the provider's
bindings exists, it loads all 23,000 types into memory, which costs seconds and a gigabyte in a new container. Each file
of code costs half a millisecond. `make setup` and `make wheel` build the packages. The commands load them if their
versions match the installed ones (`node.py`); other programs never do.
"""

import json
import posixpath
import re
import sys
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PACKAGE = "cdktf_cdktf_provider_aws"
"""The only bindings whose resources are independent of each other; those of CDK Terrain share provider functions."""

REDUCED = ("constructs", "cdktf", PACKAGE)

_ROOT = Path(__file__).parents[2]
_FOLDER = Path(__file__).with_name("slim")
_NOTICE = re.compile(r"package\.json|(?:LICEN[CS]E|NOTICE).*")
_READ = re.compile(rf"\.(?:js|json|jsii|jsii\.gz)$|(?:^|/)(?:{_NOTICE.pattern})$")
_DOCS = ("docs", "readme", "locationInModule", "symbolId")
# Only assets need it, and the stacks have none.
_LEFT_OUT = "archiver"


def used() -> set[str]:
    """Return the modules of the bindings that constructs and stacks import."""
    files = [*_ROOT.glob("modules/**/construct.py"), *_ROOT.glob("stacks/*.py")]
    return {name for file in files for name in re.findall(rf"{PACKAGE}\.(\w+)", file.read_text("utf-8"))}


def slim_of(tarball: Path) -> Path:
    """Return the path of the package for `tarball`; its name changes with the resources in use and its form."""
    digest = zlib.crc32(" ".join(["one file for each package", *sorted(used())]).encode())
    return _FOLDER / f"{tarball.name.removesuffix('.jsii.tgz')}-{digest:08x}.tgz"


def make(tarball: Path) -> Path:
    """Write the package, and delete one of another form. The bytes are reproducible."""
    # A start only asks for the path, so it imports none of these.
    import gzip
    import io
    import tarfile

    out = slim_of(tarball)
    if out.exists():
        return out
    out.parent.mkdir(exist_ok=True)
    for old in out.parent.glob(f"{out.name.rpartition('-')[0]}-*.tgz"):
        old.unlink()
    resources: dict[str, str] = {}
    if tarball.name.startswith("provider-aws"):
        resources = {_camel(name): f"lib/{name.replace('_', '-')}/index.js" for name in sorted(used())}
    # The code of all resources would take half a gigabyte.
    code = set(resources.values())
    with tarfile.open(tarball) as source:
        files = {
            name: file.read()
            for member in source
            if _READ.search(name := member.name.removeprefix("package/"))
            and (not code or name in code or not name.startswith("lib/"))
            and (file := source.extractfile(member))
        }
    assembly: dict[str, Any] = json.loads(files.pop(".jsii"))
    if assembly.get("schema") == "jsii/file-redirect":
        assembly = json.loads(gzip.decompress(files.pop(assembly["filename"])))
    package = _Package({name: content.decode() for name, content in files.items()})
    bundle = package.bundled(resources)
    for section in ("types", "submodules") if resources else ():
        assembly[section] = {key: one for key, one in assembly[section].items() if key.split(".")[1] in resources}
    texts = {
        **{
            name: text
            for name, text in package.files.items()
            if posixpath.dirname(name) in package.libraries and _NOTICE.fullmatch(posixpath.basename(name))
        },
        ".jsii": json.dumps(_without_docs(assembly)),
        "lib/index.js": bundle,
    }
    data = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=data, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as target,
    ):
        for name, text in texts.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text.encode())
            target.addfile(member, io.BytesIO(text.encode()))
    out.write_bytes(data.getvalue())
    return out


def _without_docs(value: Any) -> Any:
    """Return an assembly without what only documentation and compilers use: most of its size."""
    if isinstance(value, dict):
        members: dict[str, Any] = value
        return {key: _without_docs(one) for key, one in members.items() if key not in _DOCS}
    if isinstance(value, list):
        elements: list[Any] = value
        return [_without_docs(one) for one in elements]
    return value


class _Package:
    """The files of a Node package, by their names, and the folders of the libraries that a bundle contains."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.libraries = {""}

    def bundled(self, exported: Mapping[str, str]) -> str:
        """Return one file with all modules that a main module requires, each evaluated once.

        `exported`: the modules of a new main module, by name. If it is empty, the package's own is the main module.
        """
        queue = [*exported.values()] or ["lib/index.js"]
        modules: dict[str, str] = {}
        while queue:
            if (name := queue.pop()) not in modules:
                modules[name] = self._module(name, queue)
        lines = ["const modules = {"]
        lines += [f"{json.dumps(name)}: (exports, module) => {{\n{modules[name]}\n}}," for name in sorted(modules)]
        lines += ["};", _LOAD]
        if exported:
            lines.append('Object.defineProperty(exports, "__esModule", { value: true });')
        lines += [f"exports.{name} = load({json.dumps(file)});" for name, file in exported.items()]
        return "\n".join([*lines, *([] if exported else ['module.exports = load("lib/index.js");']), ""])

    def _module(self, name: str, queue: list[str]) -> str:
        """Return the code of a module, and add those that it requires to the queue."""
        if name.endswith(".json"):
            return f"module.exports = {self.files[name]};"

        def local(match: re.Match[str]) -> str:
            if (found := self._resolve(posixpath.dirname(name), match[1])) is None:
                return match[0]
            queue.append(found)
            return f"load({json.dumps(found)})"

        # Without the source map, which is the larger half.
        code = re.sub(r"\n//# sourceMappingURL=data:[^\n]*\n?$", "", self.files[name])
        return re.sub(r"""\brequire\(["']([^"']+)["']\)""", local, code)

    def _resolve(self, folder: str, request: str) -> str | None:
        """Return the file that a request means, as Node does; None for Node's own modules and other packages."""
        if request == _LEFT_OUT:
            return None
        path = posixpath.normpath(posixpath.join(folder if request.startswith(".") else "node_modules", request))
        if f"{path}/package.json" in self.files:
            main = json.loads(self.files[f"{path}/package.json"]).get("main", "index.js")
            path = posixpath.normpath(posixpath.join(path, main))
        found = next((one for one in (path, f"{path}.js", f"{path}/index.js") if one in self.files), None)
        if found and found.startswith("node_modules/"):
            self.libraries.add("/".join(found.split("/")[: 3 if "/@" in found else 2]))
        return found


_LOAD = """\
const loaded = {};
function load(name) {
  if (!loaded[name]) modules[name]((loaded[name] = { exports: {} }).exports, loaded[name]);
  return loaded[name].exports;
}"""


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def tarballs() -> Iterable[Path]:
    """Return the installed packages that have a reduced form."""
    return (file for site in sys.path for name in REDUCED for file in sorted(Path(site).glob(f"{name}/_jsii/*.tgz")))


if __name__ == "__main__":
    for found in tarballs():
        make(found)
