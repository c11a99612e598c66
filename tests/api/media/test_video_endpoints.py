"""Video jobs over HTTP."""

from pathlib import Path

import cv2
import pytest

from api.accounts.scopes import Scope
from api.media.frames import SamplingLimits, VideoSampler
from api.vision.picture import Picture
from tests.api.media import video_files as videos
from tests.api.media.world import World


@pytest.fixture(scope="module")
def clip(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds of a real street photo."""
    path = sorted((shared_data / "streetstyle").rglob("*.jpg"))[5]
    photo = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return videos.write(tmp_path_factory.mktemp("clip") / "c.mp4", videos.pan(photo, 3, 10, (360, 540))).read_bytes()


def test_every_call_wants_a_key_the_scope_and_the_own_tenant(world: World, account) -> None:
    mine, stranger, searcher = account("developer"), account("developer"), account("developer", scopes=[Scope.search])
    body = {"url": world.url("/v.mp4")}
    made = world.client.post("/v1/videos", json=body, headers=mine.auth).json()
    ends = ("", "/tags", "/tags.vtt", "/tags.json")
    calls = [("POST", "/v1/videos")] + [("GET", f"/v1/videos/{made['id']}{end}") for end in ends]
    for method, path in calls:
        json = body if method == "POST" else None
        assert world.client.request(method, path, json=json).status_code == 401, path
        assert world.client.request(method, path, json=json, headers=searcher.auth).status_code == 403, path
        if method == "GET":
            assert world.client.get(path, headers=stranger.auth).status_code == 404, path
            assert world.client.get(path, headers=mine.auth).status_code == 200, path


def test_pictures_an_end_and_forgetting_want_the_same(world: World, account) -> None:
    mine, stranger, searcher = account("developer"), account("developer"), account("developer", scopes=[Scope.search])
    made = world.client.post("/v1/videos", json={"url": world.url("/v.mp4")}, headers=mine.auth).json()
    at = f"/v1/videos/{made['id']}"
    for method, path in [("GET", "/poster.jpg"), ("GET", "/tags/tag_x/poster.jpg"), ("POST", "/stop"), ("DELETE", "")]:
        statuses = [
            world.client.request(method, at + path, headers=caller.auth if caller else {}).status_code
            for caller in (None, searcher, stranger)
        ]
        assert statuses == [401, 403, 404], path
    assert world.client.get(at, headers=mine.auth).status_code == 200


@pytest.mark.parametrize(
    ("json", "status", "pointer"),
    [
        ({}, 422, "#/url"),
        ({"url": "ftp://a.example/v.mp4"}, 422, "#/url"),
        ({"url": "file:///etc/passwd"}, 422, "#/url"),
        ({"url": 5}, 422, "#/url"),
        ({"url": "https://a.example/v.mp4", "speed": 2}, 422, "#/speed"),
        ([], 422, "#"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(world: World, account, json: object, status: int, pointer: str) -> None:
    answer = world.client.post("/v1/videos", json=json, headers=account("developer").auth)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)


def test_bodies_that_cannot_be_read_are_refused(world: World, account) -> None:
    auth = account("developer").auth

    def post(**more: object) -> tuple[int, str]:
        answer = world.client.post("/v1/videos", headers=auth | more.pop("headers", {}), **more)  # type: ignore[arg-type]
        return answer.status_code, answer.json()["errors"][0]["pointer"]

    assert post(content=b"{", headers={"Content-Type": "application/json"}) == (400, "#")
    assert post(content=b"x", headers={"Content-Type": "video/mp4"}) == (415, "@Content-Type")
    assert post(files={"file": ("v.mp4", b"")}) == (422, "#/file")
    assert post(files={"film": ("v.mp4", b"x")}) == (422, "#/film")
    assert post(data={"file": "text"}, files={}) == (415, "@Content-Type")
    assert post(content=b"nonsense", headers={"Content-Type": "multipart/form-data; boundary=x"})[0] in {400, 422}


def test_an_upload_becomes_timed_tags(world: World, clip: bytes) -> None:
    """A brand sees its own unlisted catalog in its own video; its title is text in the WebVTT, never markup."""
    catalog = world.catalog(listed=False)
    brand = world.brands[catalog.id]
    path = world.ports.settings.datadir / "frame.mp4"
    path.write_bytes(clip)
    pixels = next(VideoSampler(path, SamplingLimits(max_ms=9000)).frames()).pixels
    assert pixels is not None
    picture = Picture(360, 540, pixels)
    seen = world.ports.eyes.detect(picture, 0.5, 1)[0]
    title = "Boots & <b>co</b> --> now\nnext"
    product = world.product(catalog, world.ports.eyes.embed(picture, [seen.box])[0], title=title)
    made = world.client.post("/v1/videos", files={"file": ("c.mp4", clip)}, headers=brand.auth)
    assert made.status_code == 202
    job = made.json()
    assert (job["state"], job["progress"], job["counts"]) == ("queued", 0.0, {"frames": 0, "tags": 0})
    assert world.work() == 1

    def get(end: str = "") -> dict:
        answer = world.client.get(f"/v1/videos/{job['id']}{end}", headers=brand.auth)
        assert answer.status_code == 200, answer.text
        return answer.json()

    done = get()
    assert (done["state"], done["progress"], done["duration_ms"], done["error"]) == ("done", 1.0, 3000, None)
    assert done["counts"]["tags"] == len(get("/tags")["tags"])
    assert 3 <= done["counts"]["frames"] <= 8
    (tag,) = [tag for tag in get("/tags")["tags"] if tag["products"][0]["id"] == product.id and tag["from_ms"] == 0]
    assert (tag["label"], tag["to_ms"]) == (seen.label, 3000)
    assert get("/tags?from_ms=3000")["tags"] == get("/tags?to_ms=0")["tags"] == []
    assert get("/tags?from_ms=1000&to_ms=1200")["tags"]
    bad = world.client.get(f"/v1/videos/{job['id']}/tags?from_ms=5&to_ms=5", headers=brand.auth)
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "?to_ms")
    vtt = world.client.get(f"/v1/videos/{job['id']}/tags.vtt", headers=brand.auth)
    assert vtt.headers["content-type"].startswith("text/vtt")
    assert vtt.text.startswith("WEBVTT\n\n")
    assert "00:00:00.000 --> 00:00:03.000" in vtt.text
    assert "Boots &amp; &lt;b&gt;co&lt;/b&gt; --&gt; now next" in vtt.text
    assert "<b>" not in vtt.text
    (thing,) = [thing for thing in get("/tags.json")["objects"] if thing["id"] == tag["object_id"]]
    assert (thing["products"], len(thing["spans"])) == (tag["products"], 1)
    (span,) = thing["spans"]
    assert span == {"tag_id": tag["id"]} | {name: tag[name] for name in span if name != "tag_id"}
    for url in (done["poster_url"], tag["poster_url"]):
        poster = world.client.get(url.removeprefix(world.ports.settings.base_url), headers=brand.auth)
        assert (poster.status_code, poster.headers["content-type"]) == (200, "image/jpeg")
        assert world.ports.eyes.decode(poster.content).width > 40


def test_a_forgotten_video_leaves_nothing_behind(world: World, clip: bytes, account) -> None:
    developer = account("developer")
    catalog = world.catalog()
    world.product(catalog, world.vector_of(street_photo_of(clip, world)))
    made = world.client.post("/v1/videos", files={"file": ("c.mp4", clip)}, headers=developer.auth).json()
    world.work()
    blobs = world.ports.blobs
    assert list(blobs.keys("posters/"))
    assert list(blobs.keys("videos/"))
    again = world.client.delete(f"/v1/videos/{made['id']}", headers=developer.auth)
    assert (again.status_code, again.content) == (204, b"")
    assert world.client.get(f"/v1/videos/{made['id']}", headers=developer.auth).status_code == 404
    assert world.client.delete(f"/v1/videos/{made['id']}", headers=developer.auth).status_code == 404
    assert (world.rows(), list(blobs.keys("posters/")), list(blobs.keys("videos/"))) == ([], [], [])


def street_photo_of(clip: bytes, world: World) -> bytes:
    """The clip's first picture as a JPEG."""
    path = world.ports.settings.datadir / "first.mp4"
    path.write_bytes(clip)
    pixels = next(VideoSampler(path, SamplingLimits(max_ms=9000)).frames()).pixels
    assert pixels is not None
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()


def test_another_tenants_unlisted_products_never_stand_in_a_video(world: World, clip: bytes, account) -> None:
    catalog = world.catalog(listed=False)
    path = world.ports.settings.datadir / "frame.mp4"
    path.write_bytes(clip)
    pixels = next(VideoSampler(path, SamplingLimits(max_ms=9000)).frames()).pixels
    assert pixels is not None
    picture = Picture(360, 540, pixels)
    boxes = [item.box for item in world.ports.eyes.detect(picture, 0.3, 10)]
    for vector in world.ports.eyes.embed(picture, boxes):
        world.product(catalog, vector)
    stranger = account("developer")
    made = world.client.post("/v1/videos", files={"file": ("c.mp4", clip)}, headers=stranger.auth).json()
    world.work()
    done = world.client.get(f"/v1/videos/{made['id']}", headers=stranger.auth).json()
    assert (done["state"], done["counts"]["tags"]) == ("done", 0)


def test_minutes_are_metered_once_and_pages_pay_nothing(world: World, clip: bytes, account, monkeypatch) -> None:
    recorded: list[tuple] = []
    monkeypatch.setattr(world.ports.meter, "record", lambda *args: recorded.append(args))
    developer = account("developer")
    made = world.client.post("/v1/videos", files={"file": ("c.mp4", clip)}, headers=developer.auth).json()
    world.media(world.put("/page.mp4", clip), kind="video")
    world.queue.sent *= 2
    world.work()
    assert recorded == [(developer.tenant_id, "video_minute", 1, made["id"])]


def test_a_day_has_a_budget_of_videos(world: World, account) -> None:
    developer = account("developer")
    world.ports.settings.limits.videos_per_tenant_per_day = 2
    body = {"url": world.url("/v.mp4")}
    statuses = [world.client.post("/v1/videos", json=body, headers=developer.auth).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]


def test_a_retry_with_an_idempotency_key_makes_one_job(world: World, account) -> None:
    auth = account("developer").auth | {"Idempotency-Key": "once"}
    body = {"url": world.url("/v.mp4")}
    first, second = (world.client.post("/v1/videos", json=body, headers=auth).json()["id"] for _ in range(2))
    assert first == second
