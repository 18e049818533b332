"""The one place where the libraries' own reporting is turned off, before they are imported.

Portraits are personal data: nothing that segdata starts may ask or tell anybody anything.
`albumentations` looks up its version at import, `openvino` brings `openvino-telemetry`, FiftyOne reports usage.
"""

from __future__ import annotations

import os
import sys

_SWITCHES = {
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "FIFTYONE_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def keep_quiet() -> None:
    """Switch off version checks and usage reports, here and in every child process. Safe to call again."""
    for name, value in _SWITCHES.items():
        os.environ[name] = value
    # OpenVINO's sender has no switch of its own. A name that is None in sys.modules can't be imported, and without
    # the package OpenVINO takes the stub that it carries for that case, which sends nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None is Python's way to block a name
