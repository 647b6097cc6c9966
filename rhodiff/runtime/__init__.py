"""Devices, processes, random streams, stop signals and provenance: how things run, not what they compute."""
