"""Interlaced films: each frame holds two moments, on every other line. Detectors see combs in what moves; this makes
one moment of it.

Runs in the decoding child (`frame_reader.py`): imports PyAV and nothing of ours.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import av
from av.filter import Graph


def unlaced(frames: Iterable[Any]) -> Iterator[Any]:
    """The same frames. From the first on that says it is interlaced they pass a filter, which leaves the others among
    them as they are; films that never say so cost nothing."""
    graph, kind = None, None
    for frame in frames:
        now = (frame.width, frame.height, frame.format.name, frame.time_base)
        if graph is not None and now != kind:
            yield from _pulled(graph, None)
            graph = None
        if graph is None and frame.interlaced_frame and frame.pts is not None:
            graph, kind = _graph(frame), now
        if graph is None:
            yield frame
        else:
            yield from _pulled(graph, frame)
    if graph is not None:
        yield from _pulled(graph, None)


def _graph(frame: Any) -> Graph:
    """bwdif: Weston's three fields and yadif's edges; a frame out for each frame in, one late."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )  # fmt: skip
    filtered, sink = graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    source.link_to(filtered)
    filtered.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: Graph, frame: Any) -> Iterator[Any]:
    """`frame` goes in; None is the end. What has come through comes out."""
    graph.push(frame)
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
