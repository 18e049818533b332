"""Portraits and person-free scenes, drawn: everything about them is known, since we drew it. Arrays only.

A portrait comes with its true alpha, its true foreground and its background; a scene with the outlines of its objects.
The same seed gives the same bytes.
"""
