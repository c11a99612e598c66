"""Where a film comes from: an upload, an address whose file is fetched whole, or a stream that is fetched bit by bit.
What lies on disk for it goes away with the work."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from api.media.frames import VideoError
from api.media.hls import MAX_PLAYLIST_BYTES, is_playlist
from api.media.models import Media
from api.media.reels import Reel, Stream
from api.media.watching import Watch
from api.ports import Ports

FOLDER_MAX_AGE_S = 24 * 3600
WHOLE = -1  # the end of a file that is not known before it has been watched


@contextmanager
def opened_film(ports: Ports, media: Media, watch: Watch) -> Iterator[Reel | Stream]:
    """Raises what the fetcher, the blobs and playlists raise."""
    if media.upload_key:
        with ports.blobs.path(media.upload_key) as path:
            yield Reel(path, 0, WHOLE)
        return
    root = ports.settings.datadir / "videos"
    root.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(root)
    with tempfile.TemporaryDirectory(dir=root, ignore_cleanup_errors=True) as folder:
        yield _fetched(ports, media.url or "", Path(folder), watch)


def _fetched(ports: Ports, url: str, folder: Path, watch: Watch) -> Reel | Stream:
    most = ports.settings.fetch.max_video_bytes
    if urlsplit(url).path.lower().endswith((".m3u8", ".m3u")):
        return Stream(ports.fetcher, folder, url, watch.position, most)
    path = folder / "video"
    fetched = ports.fetcher.fetch_to(path, url, max_bytes=most, accept="video/*, application/vnd.apple.mpegurl")
    with path.open("rb") as file:
        head = file.read(16)
    if not is_playlist(head):
        return Reel(path, 0, WHOLE)
    if path.stat().st_size > MAX_PLAYLIST_BYTES:
        raise VideoError("too_large", f"the playlist has more than {MAX_PLAYLIST_BYTES} bytes")
    text = path.read_bytes()
    path.unlink()
    return Stream(ports.fetcher, folder, fetched.url, watch.position, most, text)


def _clear_leftovers(root: Path) -> None:
    """Folders of workers that were killed."""
    for folder in root.iterdir():
        with suppress(FileNotFoundError):  # another worker's, gone meanwhile
            if time.time() - folder.stat().st_mtime > FOLDER_MAX_AGE_S:
                shutil.rmtree(folder, ignore_errors=True)
