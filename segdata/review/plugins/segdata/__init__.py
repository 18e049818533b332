"""FiftyOne's way in: it loads plugins from a folder, and ours says where its code is."""

from segdata.review.operators import register

__all__ = ["register"]
