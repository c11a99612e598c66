"""Playlists: what they mean, and what hostile ones may not do."""

import pytest

from api.media.frames import VideoError
from api.media.hls import MAX_PLAYLIST_BYTES, Key, Part, Playlist, best_variant, is_playlist, read_playlist

BASE = "https://cdn.example/films/a/index.m3u8?token=1"


def read(*lines: str) -> Playlist:
    return read_playlist("\n".join(["#EXTM3U", *lines]).encode(), BASE)


def fault(*lines: str) -> str:
    with pytest.raises(VideoError) as caught:
        read(*lines)
    return caught.value.code


def test_segments_have_their_numbers_times_and_addresses() -> None:
    found = read(
        "#EXT-X-TARGETDURATION:6", "#EXT-X-MEDIA-SEQUENCE:41", "#EXTINF:5.5,title", "one.ts", "",
        "# a comment", "#EXTINF:6", "../b/two.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:4.0,", "https://other.example/3.ts",
        "#EXT-X-GAP", "#EXTINF:6,", "lost.ts", "#EXT-X-ENDLIST",
    )  # fmt: skip
    rows = [(s.sequence, s.seconds, s.part.url, s.fresh, s.missing) for s in found.segments]
    assert rows == [
        (41, 5.5, "https://cdn.example/films/a/one.ts", True, False),
        (42, 6.0, "https://cdn.example/films/b/two.ts", False, False),
        (43, 4.0, "https://other.example/3.ts", True, False),
        (44, 6.0, "https://cdn.example/films/a/lost.ts", False, True),
    ]
    assert (found.ended, found.target_s) == (True, 6.0)


def test_parts_of_files_follow_each_other() -> None:
    found = read(
        '#EXT-X-MAP:URI="film.mp4",BYTERANGE="800@0"', "#EXTINF:2,", "#EXT-X-BYTERANGE:1000@800", "film.mp4",
        "#EXTINF:2,", "#EXT-X-BYTERANGE:500", "film.mp4",
    )  # fmt: skip
    url = "https://cdn.example/films/a/film.mp4"
    assert [segment.part for segment in found.segments] == [Part(url, 800, 1000), Part(url, 1800, 500)]
    assert {segment.init for segment in found.segments} == {Part(url, 0, 800)}


def test_a_new_init_section_begins_anew() -> None:
    first = ['#EXT-X-MAP:URI="a.mp4"', "#EXTINF:2,", "1.m4s", "#EXTINF:2,", "2.m4s"]
    found = read(*first, '#EXT-X-MAP:URI="b.mp4"', "#EXTINF:2,", "3.m4s")
    assert [segment.fresh for segment in found.segments] == [True, False, True]


def test_keys_hold_until_the_next_one() -> None:
    found = read(
        '#EXT-X-KEY:METHOD=AES-128,URI="/k?a=1,b=2",IV=0x0F', "#EXTINF:2,", "1.ts", "#EXTINF:2,", "2.ts",
        '#EXT-X-KEY:METHOD=AES-128,URI="k2"', "#EXTINF:2,", "3.ts", "#EXT-X-KEY:METHOD=NONE", "#EXTINF:2,", "4.ts",
    )  # fmt: skip
    first = Key("https://cdn.example/k?a=1,b=2", bytes(15) + b"\x0f")
    second = Key("https://cdn.example/films/a/k2", None)
    assert [segment.key for segment in found.segments] == [first, first, second, None]


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ('METHOD=SAMPLE-AES,URI="skd://asset"', "SAMPLE-AES, identity"),
        ('METHOD=AES-128,URI="https://k.example",KEYFORMAT="com.apple.streamingkeydelivery"',
         "AES-128, com.apple.streamingkeydelivery"),
        ('METHOD=SAMPLE-AES-CTR,KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",URI="data:text/plain;base64,AA"',
         "SAMPLE-AES-CTR, urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"),
        ('METHOD=ISO-23001-7,KEYFORMAT="<script>alert(1)</script>"', "ISO-23001-7, scriptalert1script"),
        ("", "unknown, identity"),
    ],
)  # fmt: skip
def test_protected_streams_are_told_as_encrypted_by_the_name_of_their_protection(key: str, named: str) -> None:
    with pytest.raises(VideoError) as caught:
        read(f"#EXT-X-KEY:{key}", "#EXTINF:2,", "1.ts")
    assert caught.value.code == "encrypted"
    assert f"({named})" in caught.value.reason


def variants(*rows: tuple[int, str, str]) -> str:
    lines = []
    for number, (rate, size, codecs) in enumerate(rows):
        said = [f"BANDWIDTH={rate}", f"RESOLUTION={size}" if size else "", f'CODECS="{codecs}"' if codecs else ""]
        lines += ["#EXT-X-STREAM-INF:" + ",".join(filter(None, said)), f"v{number}.m3u8"]
    return best_variant(read(*lines).variants).url.rpartition("/")[2]


def test_the_variant_that_is_just_good_enough_is_watched() -> None:
    assert variants((9_000_000, "1920x1080", ""), (3_000_000, "1280x720", ""), (800_000, "640x360", "")) == "v1.m3u8"
    assert variants((9_000_000, "1280x720", ""), (3_000_000, "1280x720", "")) == "v1.m3u8"
    assert variants((9_000_000, "3840x2160", ""), (5_000_000, "1920x1080", "")) == "v1.m3u8"
    assert variants((64_000, "", "mp4a.40.2"), (800_000, "", "avc1.4d401f,mp4a.40.2")) == "v1.m3u8"
    assert variants((100, "", ""), (200, "", ""), (300, "", "")) == "v1.m3u8"
    with pytest.raises(VideoError, match="no pictures"):
        variants((64_000, "", "mp4a.40.2"))


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["no-duration.ts"], "bad_playlist"),
        (["#EXTINF:nan,", "a.ts"], "bad_playlist"),
        (["#EXTINF:1e300,", "a.ts"], "bad_playlist"),
        (["#EXTINF:-5,", "a.ts"], "bad_playlist"),
        (["#EXTINF:2,", "#EXT-X-BYTERANGE:0@5", "a.ts"], "bad_playlist"),
        (["#EXTINF:2,", "#EXT-X-BYTERANGE:99999999999999999999", "a.ts"], "bad_playlist"),
        (["#EXT-X-MEDIA-SEQUENCE:²", "#EXTINF:2,", "a.ts"], "bad_playlist"),
        (["#EXT-X-MAP:BYTERANGE=1", "#EXTINF:2,", "a.ts"], "bad_playlist"),
        (["#EXTINF:2,", "http://[bad/a.ts"], "bad_playlist"),
        (["#EXT-X-STREAM-INF:BANDWIDTH=1", "v.m3u8", "#EXTINF:2,", "a.ts"], "bad_playlist"),
        (["#EXT-X-ENDLIST"], "bad_playlist"),
        (["#EXTINF:1,\na.ts"] * 50_001, "too_large"),
        (["#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8"] * 201, "too_large"),
    ],
)
def test_what_breaks_the_rules_is_told(lines: list[str], code: str) -> None:
    assert fault(*lines) == code


def test_only_a_playlist_is_one() -> None:
    assert is_playlist(b"\xef\xbb\xbf#EXTM3U\n")
    assert not is_playlist(b"<html>")
    for body in (b"", b"<html>", b"#EXTM3U\n\xff\xfe", b"#EXTM3U\n" + b"#" * MAX_PLAYLIST_BYTES):
        with pytest.raises(VideoError):
            read_playlist(body, BASE)


def test_a_line_of_letters_takes_no_longer_than_any_other() -> None:
    fault("#EXT-X-KEY:" + "A" * 1_000_000, "#EXTINF:2,", "one.ts")  # hours, where names are tried from each letter
