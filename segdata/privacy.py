"""Turn off the usage reports and version checks of the libraries that segdata uses, before they are imported.

Portraits are personal data: nothing that segdata starts may contact another machine unless the user names it.
`docs/security.md` lists each library that can report, what it would send, and its switch.

`keep_quiet` is called where a program enters segdata (the command line, `segdata.open`), and again by each function
that imports a library that reports, since stages can be called on their own.
"""

from __future__ import annotations

import os
import sys
import warnings
from types import ModuleType
from typing import Any

SWITCHES = {
    "DO_NOT_TRACK": "1",
    "FIFTYONE_DO_NOT_TRACK": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variables, which child processes inherit, and the value that turns reports off."""


def keep_quiet() -> None:
    """Turn off version checks and usage reports, in this process and in every child process. Safe to call again."""
    if "onnxruntime" in sys.modules and not os.environ.get("ORT_DISABLE_TELEMETRY"):
        # It reads its switch when it is imported, and its own function for this does not stop the first events.
        warnings.warn(
            "onnxruntime was imported before segdata could turn off its usage reports, so it may report to Microsoft: "
            "set ORT_DISABLE_TELEMETRY=1 before onnxruntime is imported, or call segdata.open first",
            stacklevel=2,
        )
    os.environ.update(SWITCHES)
    _silence_openvino(sys.modules.get("openvino_telemetry"))
    hub = sys.modules.get("huggingface_hub.constants")
    if hub is not None:  # it read the variable when it was imported, and asks this constant before it sends
        hub.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]  # ModuleType declares no attributes


def _silence_openvino(sender: ModuleType | None) -> None:
    """OpenVINO's sender, a package of its own, has no switch that this process could set."""
    if sender is None:
        # A name that is None in sys.modules can't be imported, and without the package OpenVINO uses a stub of its own
        # that sends nothing.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # typeshed allows modules only; None blocks the name
    else:
        sender.Telemetry = _NoTelemetry  # type: ignore[attr-defined]  # OpenVINO makes one for each conversion


class _NoTelemetry:
    """Takes every call that OpenVINO makes to its sender, and does nothing."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name == "backend":  # OpenVINO asks whether there is one, and then which
            raise AttributeError(name)
        return _do_nothing


def _do_nothing(*_arguments: Any, **_options: Any) -> None:
    pass
