"""The image as its Containerfile says it. No engine runs here: `tests/functions/test_installed.py` does the same steps
with uv and starts what comes of them.
"""

import re
import shutil
import subprocess
from pathlib import Path

from tests.support.manifests import container, names, rendered, workloads
from tests.support.processes import ROOT

TEXT = (ROOT / "knative" / "Containerfile").read_text(encoding="utf-8")
STEPS = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines()
    if line.strip()
]
"""Instruction and arguments, continued lines joined."""
LAST = STEPS[max(index for index, (word, _) in enumerate(STEPS) if word == "FROM") :]


def arguments(steps: list[list[str]], instruction: str) -> list[str]:
    return [rest for word, rest in steps if word == instruction]


def test_the_base_is_an_exact_slim_release_of_the_tested_python_in_both_stages() -> None:
    assert STEPS[0] == ["ARG", "PYTHON=docker.io/library/python:3.11.14-slim-bookworm"]
    assert arguments(STEPS, "FROM") == ["${PYTHON} AS build", "${PYTHON}"]


def test_what_runs_has_the_environment_and_the_start_command_and_nothing_to_build_with() -> None:
    assert arguments(LAST, "COPY") == [
        "--from=build /opt/venv /opt/venv",
        "knative/serve.sh /usr/local/bin/serve",
    ]
    run = " ".join(arguments(LAST, "RUN"))
    assert "pip uninstall" in run
    assert not re.search(r"pip install|apt-get|curl|wget|gcc|compileall", run)
    assert "--without-pip" in TEXT


def test_packages_come_in_locked_versions_without_tools_of_developers_compiled_to_bytecode() -> None:
    build = " ".join(arguments(STEPS[: -len(LAST)], "RUN"))

    assert "--only-binary :all: --constraint requirements.lock" in " ".join(build.split())
    assert "*e['local'], *e['otel']" in build
    assert "'dev'" not in build
    assert "compileall" in build
    assert "PIP_NO_CACHE_DIR=1" in " ".join(arguments(STEPS, "ENV"))


def test_it_runs_as_the_user_of_the_manifests_and_starts_a_function_from_where_its_source_is_found() -> None:
    users = {container(one)["securityContext"]["runAsUser"] for one in workloads(rendered("base")).values()}

    assert {f"{user}:{user}" for user in users} == set(arguments(LAST, "USER"))
    assert arguments(LAST, "WORKDIR") == ["/app"]
    assert any(rest.endswith("/app/functions") for rest in arguments(LAST, "RUN"))
    assert arguments(LAST, "CMD") == ['["python", "-m", "functions_framework"]']
    assert arguments(LAST, "ENTRYPOINT") == []  # Jobs and `serve` are commands


def test_the_build_is_given_what_it_copies_and_the_wheel_is_made_of() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        Path(name).parts[0]
        for rest in arguments(STEPS, "COPY")
        if not rest.startswith("--from")
        for name in rest.split()[:-1]
    }

    assert "*" in ignored
    assert allowed == copied
    assert all((ROOT / name).exists() for name in allowed)


def test_serve_is_a_program_that_any_shell_runs() -> None:
    script = ROOT / "knative" / "serve.sh"

    assert script.stat().st_mode & 0o111
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", str(script)], check=True, timeout=10)


def test_make_image_says_what_it_needs_where_no_engine_is_installed(tmp_path: Path) -> None:
    for program in ("sh", "sed", "echo"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    make = str(shutil.which("make"))

    done = subprocess.run(
        [make, "image", "IMAGE=example.com/tocsin:1"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.returncode != 0
    assert "Neither docker nor podman is installed here" in done.stdout
    assert "podman build -f knative/Containerfile -t example.com/tocsin:1 ." in done.stdout


def test_make_image_builds_with_the_engine_that_is_there(tmp_path: Path) -> None:
    for program in ("sh", "sed", "echo", "git"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    engine = tmp_path / "podman"
    engine.write_text('#!/bin/sh\necho "asked: $*"\n', encoding="utf-8")
    engine.chmod(0o755)

    done = subprocess.run(
        [str(shutil.which("make")), "image", "IMAGE=example.com/tocsin:1"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )

    asked = done.stdout.splitlines()[0]
    assert asked.startswith("asked: build --file knative/Containerfile --tag example.com/tocsin:1 ")
    assert re.search(r"--build-arg VERSION=\d+\.\d+\.\d+ --build-arg REVISION=[0-9a-f]{40} +\.$", asked)


# ------------------------------------------------------------------ the overlay that it serves


def test_standalone_has_every_function_of_the_laptop_and_neither_its_secrets_nor_its_demo() -> None:
    laptop, alone = names(rendered("overlays/laptop")), names(rendered("overlays/standalone"))

    assert {one for one in alone if one[0] == "Service"} == {one for one in laptop if one[0] == "Service"}
    assert {one for one in alone if one[0] != "ConfigMap"} <= laptop
    assert not [one for one in alone if one[0] == "Secret" or one[1] == "demo"]
