"""The same thing in several shots is one object; what does not meet the same look, or is there at the same time, is
not."""

import numpy as np

from api.media.cast import MAX_SPANS, Cast
from api.media.tracks import Track, Vote
from api.media.ways import Place


def near(vector: np.ndarray, off: float) -> np.ndarray:
    turned = vector + off * np.roll(vector, 7)
    return (turned / np.linalg.norm(turned)).astype(np.float32)


LAMP, CHAIR = np.eye(32, dtype=np.float32)[:2]


def track(
    from_ms: int, to_ms: int, look: np.ndarray, label: str = "product", x: float = 0.1, best: float = 0.5
) -> Track:
    box = (x, 0.2, 0.3, 0.4)
    return Track(
        places=[Place(from_ms, box), Place(to_ms, box)], labels={label: 1.0}, votes=[Vote(look.tobytes(), best)],
        sightings=2, until_ms=to_ms, score_sum=1.6, best=best, best_box=box, poster=f"{from_ms}".encode(),
    )  # fmt: skip


def cast_of(*tracks: tuple[Track, int]) -> Cast:
    cast = Cast()
    for item, shot in tracks:
        cast.add(item, shot, lambda jpeg: f"key-{jpeg.decode()}")
    return cast


def spans(cast: Cast) -> dict[int, list[tuple[int | None, int | None]]]:
    found: dict[int, list[tuple[int | None, int | None]]] = {}
    for item in cast.objects():
        found.setdefault(item.object_number or 0, []).append((item.from_ms, item.to_ms))
    return found


def test_a_thing_that_comes_back_in_another_shot_is_the_same_thing() -> None:
    cast = cast_of((track(0, 4000, LAMP), 0), (track(4000, 8000, CHAIR), 1), (track(8000, 9000, near(LAMP, 0.3)), 2))
    assert spans(cast) == {0: [(0, 4000), (8000, 9000)], 1: [(4000, 8000)]}
    lamp = [item for item in cast.objects() if item.object_number == 0]
    assert [item.poster_key for item in lamp] == ["key-0", "key-8000"]
    assert all(len(item.vectors) == len(item.weights) == 2 for item in lamp)


def test_two_that_look_alike_side_by_side_are_two_things() -> None:
    cast = cast_of((track(0, 4000, LAMP), 0), (track(1000, 5000, LAMP, x=0.6), 0))
    assert len(spans(cast)) == 2


def test_another_label_or_another_look_is_another_thing() -> None:
    cast = cast_of(
        (track(0, 1000, LAMP), 0), (track(2000, 3000, LAMP, "bag"), 1), (track(4000, 5000, near(LAMP, 1.5)), 2)
    )
    assert len(spans(cast)) == 3


def test_a_short_gap_within_a_shot_is_bridged_and_the_best_sight_kept() -> None:
    cast = cast_of((track(0, 2000, LAMP), 0), (track(3500, 5000, LAMP, x=0.4, best=0.9), 0))
    (item,) = cast.objects()
    assert (item.from_ms, item.to_ms, item.box[0], item.poster_key) == (0, 5000, 0.4, "key-3500")
    assert item.track is not None
    assert [row[0] for row in item.track] == [0, 2000, 3500, 5000]


def test_of_an_endless_film_the_longest_appearances_are_kept() -> None:
    cast = Cast()
    rng = np.random.default_rng(4)
    for number in range(900):
        look = rng.normal(size=32).astype(np.float32)
        length = 9000 if number % 10 == 0 else 600
        cast.add(track(number * 10_000, number * 10_000 + length, look / np.linalg.norm(look)), number, lambda _: "")
    found = cast.objects()
    assert len(found) == MAX_SPANS
    assert sum(len(thing.spans) for thing in cast.characters) <= 2 * MAX_SPANS
    assert sum((item.to_ms or 0) - (item.from_ms or 0) == 9000 for item in found) >= 85
