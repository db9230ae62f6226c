"""A complete deployment as a team runs it: `main.py state create`, `cdktf deploy`, plans, `cdktf destroy`."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local_aws import LocalAws
from operations.terraform import find_terraform
from tests.support import ROOT
from tests.support.terraform import Terraform, cli_environment

BIN = Path(sys.executable).parent
ACCEPTER = "aws_ec2_transit_gateway_vpc_attachment_accepter.accepted_attachments"

# Secrets of a deployment: long and unique, so that a search finds any leak.
SECRETS = {
    "TF_VAR_external_ids": '["marked-external-id-7f3a9c"]',
    "TF_VAR_plant_preshared_keys": '{"main-1": "marked.preshared.key.1", "main-2": "marked.preshared.key.2"}',
}


class Deployment:
    """An estate deployed on a local AWS from a separate folder, with the commands that a team runs.

    `report` receives the relevant lines of output.
    """

    def __init__(self, estate: Path, folder: Path, aws: LocalAws, report: Callable[[str], Any]) -> None:
        self.estate, self.folder, self.aws, self._report = estate.resolve(), folder, aws, report
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "cdktf.out", ignore_errors=True)
        path = os.pathsep.join((str(BIN), os.environ["PATH"]))
        # Importing this project's modules has set these variables; a user would not have them.
        own = {key: value for key, value in os.environ.items() if key not in ("NODE_OPTIONS", "JSII_NODE")}
        environment = {**own, "PATH": path, **aws.environment(), **SECRETS, "ASTRO_ESTATE": str(self.estate)}
        self._environment = {
            **cli_environment(folder, environment),
            "CI": "true",
            "FORCE_COLOR": "0",
            "CDKTF_LOG_LEVEL": "error",
        }
        self.terraform = Terraform(find_terraform(environment), self._environment)

    @property
    def stacks(self) -> dict[str, Path]:
        """Return the folders of the synthesized stacks, by name."""
        return {file.parent.name: file.parent for file in sorted(self.folder.glob("cdktf.out/stacks/*/cdk.tf.json"))}

    def create_state(self) -> None:
        self._run([sys.executable, "main.py", "state", "create", str(self.estate)])

    def deploy(self) -> None:
        """Run `cdktf deploy` for every stack, beside existing resources. Raises CalledProcessError."""
        self._cdktf("deploy")

    def adopt(self) -> None:
        """Run `main.py adopt` in a new output folder."""
        out = self.folder / "cdktf.out"
        shutil.rmtree(out)
        self._run([sys.executable, "main.py", "adopt", str(self.estate), "--out", str(out)])

    def destroy(self) -> None:
        """Run `cdktf destroy` for every stack, which forgets Astronomer's attachments. Raises CalledProcessError."""
        for name, stack in self.stacks.items():
            if name.startswith("network-"):
                self.terraform.forget(stack, ACCEPTER)
        self._cdktf("destroy")

    def changes(self) -> dict[str, bool]:
        """Return, for each stack, whether a plan would change anything."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            planned = pool.map(self.terraform.plan, self.stacks.values())
            return dict(zip(self.stacks, planned, strict=True))

    def outputs(self) -> dict[str, Any]:
        """Return the handoff of each stack."""
        return {name: self.terraform.output(folder)["handoff"] for name, folder in self.stacks.items()}

    def handoff(self, reader: str) -> str:
        """Run `main.py handoff` for a reader, from the state in the bucket. Raises CalledProcessError."""
        return self.command("handoff", str(self.estate), "--for", reader)

    def command(self, *arguments: str, codes: Collection[int] = (0,)) -> str:
        """Run a command of main.py and return its output. Raises CalledProcessError unless it exits with a code."""
        command = [sys.executable, "main.py", *arguments]
        # Only cdktf needs FORCE_COLOR. Rich colours even a pipe if it is set to any value.
        env = {key: value for key, value in self._environment.items() if key != "FORCE_COLOR"}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if done.returncode not in codes:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout + done.stderr)
        return done.stdout

    def _cdktf(self, command: str) -> None:
        out = self.folder / "cdktf.out"
        # The registry may be unreachable, and lock files for other platforms are not needed here.
        options = ["--auto-approve", "--skip-provider-lock", "--output", str(out)]
        self._run([str(ROOT / "node_modules/.bin/cdktf"), command, "*", *options])

    def _run(self, command: list[str]) -> None:
        pipe = subprocess.PIPE
        lines: list[str] = []
        with subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout
            for line in process.stdout:
                lines.append(line)
                for shown in _worth_seeing(line):
                    self._report(shown)
        if process.returncode != 0:
            error = subprocess.CalledProcessError(process.returncode, command, "".join(lines))
            # The text of the error has only the exit code. The reasons are in Terraform's boxes, or in the last lines.
            error.add_note("".join([line for line in lines if "│" in line] or lines[-80:]))
            raise error


def _worth_seeing(line: str) -> Iterator[str]:
    """Yield the relevant part of a tool's output: created and destroyed resources, totals, and errors."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
    done = re.search(r"(\S+) \(.*?\)(\[\S+\])?: (Creation|Modifications|Destruction) complete after (\w+)", text)
    if done:
        what = {"Creation": "created", "Modifications": "changed", "Destruction": "destroyed"}[done[3]]
        yield f"{what} {done[1]}{done[2] or ''} in {done[4]}"
    elif re.search(r"complete! Resources|Error: ", text):
        yield text
