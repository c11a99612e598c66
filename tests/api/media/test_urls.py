import pytest

from api.media.urls import BadUrl, normalise


@pytest.mark.parametrize(
    ("url", "text", "host", "port"),
    [
        ("HTTP://Ex.com:80/A?b=C#d", "http://ex.com/A?b=C", "ex.com", 80),
        ("https://ex.com", "https://ex.com/", "ex.com", 443),
        ("https://ex.com:8443/a", "https://ex.com:8443/a", "ex.com", 8443),
        ("http://[::1]:8000/a", "http://[::1]:8000/a", "[::1]", 8000),
    ],
)
def test_one_spelling_each(url: str, text: str, host: str, port: int) -> None:
    found = normalise(url)
    assert (found.text, found.host, found.port) == (text, host, port)
    assert normalise(found.text) == found


@pytest.mark.parametrize(
    "url",
    [
        "", "//ex.com/a", "ftp://ex.com/a", "data:image/png;base64,AA", "http://", "http://ex.com:0/", "http://ex.com:x/",
        "http://ex.com:99999/", "http://a@ex.com/", "http://a:b@ex.com/", "http://:b@ex.com/", "http://ex.com\\@evil.example/",
        "http://ex.com/a b", "http://ex.com/\n", "http://[::1", "http://ex.com/\ud800", "http://ex.com/" + "a" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_picture_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        normalise(url)
