"""Builds a reduced Node package with only the AWS resources that this project uses, from the provider's bindings.

jsii unpacks and indexes a package on first use, and reads its hash at every start. Until the index exists, it loads all
23,000 types into memory, which costs seconds and a gigabyte in a new container. `make setup` and `make wheel` build the
package. The commands load it if its version matches the installed one (`node.py`); other programs never do.
"""

import gzip
import io
import json
import re
import sys
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PACKAGE = "cdktf_cdktf_provider_aws"
"""The only bindings whose resources are independent of each other; those of CDK Terrain share provider functions."""

_ROOT = Path(__file__).parents[2]
_FOLDER = Path(__file__).with_name("slim")


def used() -> set[str]:
    """Return the modules of the bindings that constructs and stacks import."""
    files = [*_ROOT.glob("modules/**/construct.py"), *_ROOT.glob("stacks/*.py")]
    return {name for file in files for name in re.findall(rf"{PACKAGE}\.(\w+)", file.read_text("utf-8"))}


def slim_of(tarball: Path) -> Path:
    """Return the path of the package for `tarball`; its name changes with its resources and its form."""
    digest = zlib.crc32(" ".join(["one file", *sorted(used())]).encode())
    return _FOLDER / f"{tarball.name.removesuffix('.jsii.tgz')}-{digest:08x}.tgz"


def make(tarball: Path) -> Path:
    """Write the package, and delete one with other resources. The bytes are reproducible."""
    out = slim_of(tarball)
    if out.exists():
        return out
    out.parent.mkdir(exist_ok=True)
    for old in out.parent.glob(f"{out.name.rpartition('-')[0]}-*.tgz"):
        old.unlink()
    kebab = {name.replace("_", "-") for name in used()}
    camel = {_camel(name, "_") for name in used()}
    data = io.BytesIO()
    with (
        tarfile.open(tarball) as source,
        gzip.GzipFile(fileobj=data, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as target,
    ):
        for name, content in _kept(source, kebab, camel):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    out.write_bytes(data.getvalue())
    return out


def _kept(source: tarfile.TarFile, kebab: set[str], camel: set[str]) -> Iterator[tuple[str, bytes]]:
    def read(name: str) -> bytes:
        file = source.extractfile(name)
        assert file is not None  # noqa: S101
        return file.read()

    for name in ("package/package.json", "package/LICENSE"):
        yield name, read(name)
    assembly: dict[str, Any] = json.loads(read("package/.jsii"))
    if assembly.get("schema") == "jsii/file-redirect":
        assembly = json.loads(gzip.decompress(read(f"package/{assembly['filename']}")))
    for section in ("types", "submodules"):
        assembly[section] = {key: one for key, one in assembly[section].items() if key.split(".")[1] in camel}
    yield "package/.jsii", json.dumps(assembly | {"readme": {}}).encode()
    resources = {folder: read(f"package/lib/{folder}/index.js").decode() for folder in sorted(kebab)}
    yield "package/lib/index.js", _bundle(resources).encode()


def _bundle(resources: Mapping[str, str]) -> str:
    """Return one module with all resources, each evaluated on first use. Node takes half a millisecond for a file."""
    lines = ['"use strict";', 'Object.defineProperty(exports, "__esModule", { value: true });', "const modules = {"]
    for folder, code in resources.items():
        # Without the source map, which is the larger half.
        code = re.sub(r"\n//# sourceMappingURL=data:[^\n]*\n?$", "", code)
        lines.append(f'"{_camel(folder, "-")}": (exports) => {{\n{code}\n}},')
    return "\n".join(
        [
            *lines,
            "};",
            "for (const [name, run] of Object.entries(modules)) {",
            "  let loaded;",
            "  const get = () => loaded ?? (run((loaded = {})), loaded);",
            "  Object.defineProperty(exports, name, { enumerable: true, get });",
            "}",
            "",
        ]
    )


def _camel(name: str, separator: str) -> str:
    return re.sub(rf"{separator}(\w)", lambda match: match[1].upper(), name)


if __name__ == "__main__":
    for site in sys.path:
        for found in sorted(Path(site).glob(f"{PACKAGE}/_jsii/*.tgz")):
            make(found)
