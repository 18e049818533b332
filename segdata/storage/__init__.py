"""Bytes in and out: read, write whole or not at all, hash; and the files that ship with the package."""
