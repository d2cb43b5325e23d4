"""Layers as tar: whiteouts, packing, unpacking, compression, tables of contents."""
