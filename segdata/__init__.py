"""segdata: find the portraits a segmentation model gets wrong, say who is at fault, and feed the hard ones back.

`segdata.open(".")` opens a workspace; `segdata.errors` holds everything that is raised on purpose.
"""

from segdata.api import OpenWorkspace, open
from segdata.errors import SegdataError

__version__ = "0.1.0"

__all__ = ["OpenWorkspace", "SegdataError", "__version__", "open"]
