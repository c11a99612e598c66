"""An opened video file: its picture stream, and its frames in rising time, over damage where there is some.

Runs in the decoding child (`frame_reader.py`): imports PyAV and its sibling.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import av

from api.media.lacing import unlaced

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,gif"
MAX_STREAMS = 64
MAX_DAMAGE = 300  # packets in a row that cannot be decoded: after so many nothing more is to be had
MAX_LAST_MS, DEFAULT_LAST_MS = 1000, 40  # how long the last frame of a film is shown


class BadVideo(Exception):
    """The file is not a video we can use; `code` is for machines."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Film:
    """Raises BadVideo where the file is none that can be used. `damaged` counts packets that could not be decoded."""

    def __init__(self, file: BinaryIO, max_pixels: int) -> None:
        self.container = _opened(file)
        self._stream = _picture_stream(self.container, max_pixels)
        self.damaged = 0
        self._start = float((self._stream.start_time or 0) * self._stream.time_base)
        self._end = 0.0

    @property
    def aspect(self) -> float:
        """A pixel's width over its height, where the file says something sane."""
        return min(max(float(self._stream.sample_aspect_ratio or 1) or 1.0, 0.1), 10.0)

    def duration_ms(self) -> int | None:
        """As the file states it: a live recording may not, a hostile one may state anything."""
        if self._stream.duration and self._stream.time_base:
            return max(0, int(self._stream.duration * self._stream.time_base * 1000))
        return max(0, self.container.duration // 1000) if self.container.duration else None

    def frames(self, from_ms: int) -> Iterator[tuple[int, Any]]:
        """(ms, frame) in rising order, from the key frame before `from_ms` or from the beginning."""
        fps = float(self._stream.average_rate or 25) or 25.0
        if from_ms > 0:
            self._seek(from_ms)
        count, last = 0, -1
        for frame in unlaced(self._decoded()):
            at = frame.time - self._start if frame.time is not None else count / fps
            count += 1
            ms = round(at * 1000)
            if ms > last:
                last = ms
                yield ms, frame
        if not count and self.damaged:
            raise BadVideo("corrupt", "no frame of the video can be decoded")

    def end_ms(self, last_ms: int) -> int:
        """When a film whose last frame was decoded at `last_ms` is over: that frame, and those left out after it, are
        shown for a while, of which the file may say anything."""
        said = round((self._end - self._start) * 1000)
        return said if last_ms < said <= last_ms + MAX_LAST_MS else last_ms + DEFAULT_LAST_MS

    def _seek(self, from_ms: int) -> None:
        at = int((self._start + from_ms / 1000) / self._stream.time_base)
        try:
            self.container.seek(at, stream=self._stream, backward=True)
        except av.FFmpegError:
            return  # a stream without an index is read from where it stands: earlier, and all right

    def _decoded(self) -> Iterator[Any]:
        """A packet that is damaged is left out; a file that breaks off ends there."""
        in_a_row = 0
        while in_a_row < MAX_DAMAGE:
            try:
                for packet in self.container.demux(self._stream):
                    self._note(packet)
                    frames, broken = self._of(packet)
                    in_a_row = in_a_row + 1 if broken else 0
                    yield from frames
                    if in_a_row >= MAX_DAMAGE:
                        return
            except av.FFmpegError:
                self.damaged += 1
                in_a_row += 10
            else:
                return

    def _note(self, packet: Any) -> None:
        if packet.has_sidedata("encryption_info"):
            raise BadVideo("encrypted", "the video is encrypted")
        if packet.pts is not None and packet.time_base:
            self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))

    def _of(self, packet: Any) -> tuple[list[Any], bool]:
        try:
            return packet.decode(), False
        except (av.InvalidDataError, av.error.PatchWelcomeError, ValueError):
            self.damaged += 1
            return [], True


def _opened(file: BinaryIO) -> Any:
    if not file.read(1):
        raise BadVideo("empty", "the file is empty")
    file.seek(0)
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none", "max_streams": str(MAX_STREAMS)}
    try:
        return av.open(file, "r", options=options)
    except (av.FFmpegError, ValueError) as error:
        raise BadVideo("not_a_video", "the file is not a video of a known format") from error


def _picture_stream(container: Any, max_pixels: int) -> Any:
    """The first real video stream (cover art is not one), ready to be decoded."""
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise BadVideo("no_video_stream", "the file has no video stream")
    stream = streams[0]
    if stream.codec_context is None:
        raise BadVideo("unknown_codec", "the video's codec is not known")
    if stream.width * stream.height > max_pixels:
        raise BadVideo("too_large", f"a frame of {stream.width}x{stream.height} has too many pixels")
    stream.codec_context.options = {"max_pixels": str(max_pixels)}
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = 2
    # frames that no other frame needs are left out: a third of the work, and 13 frames a second are left of 25. Key
    # frames alone cost a seventh of decoding, which is 30 to 50 s of a processor an hour of 640x360, but find half of
    # what is shown for 3 s (45 of 94 appearances in ten minutes of a film that stands still otherwise)
    stream.codec_context.skip_frame = "NONREF"
    return stream
