"""What the build adds to a wheel: the overlays that run on one machine, rendered, so that nothing there needs kubectl.

A checkout reads the folders themselves, and so does an editable installation: there is nothing to do for either.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OVERLAYS = ("laptop", "standalone")
"""The others are for a cluster: they name what a container can't hold, and `kubectl` renders them where it is used."""


class RenderedOverlays(BuildHookInterface):
    """Puts each overlay into the package as one file, `knative/rendered/NAME.yaml`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Render into a folder that is gone with this build. `version` tells an editable wheel from a real one."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory(prefix="tocsin-overlays-")
        for name in OVERLAYS:
            file = Path(self._folder.name) / f"{name}.yaml"
            file.write_text(_rendered(Path(self.root), name), encoding="utf-8")
            build_data["force_include"][str(file)] = f"knative/rendered/{name}.yaml"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder."""
        if version != "editable":
            self._folder.cleanup()


def _rendered(root: Path, name: str) -> str:
    """The objects of the overlay as one YAML text, made by the runner's own reader: a test compares it with kubectl."""
    sys.path.insert(0, str(root))  # a build sees the tools that it asked for, not the project
    try:
        import yaml

        from knative.local.manifests import load_overlay

        objects = [found.body for found in load_overlay(root / "knative" / "overlays" / name, root)]
    finally:
        sys.path.remove(str(root))
    head = f"# Made from knative/overlays/{name} when this package was built.\n"
    return head + yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True)
