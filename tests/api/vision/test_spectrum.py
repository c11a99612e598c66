"""The spectrum of surfaces whose waves are known: how wide, which way, how many ways."""

import numpy as np
import pytest

from api.vision.spectrum import STARTS, WAVES, spectrum_of, strongest

OCTAVES = len(WAVES) - 1
SHARES, ONE_WAY, TWO_WAY, PEAKS = (slice(1 + n * OCTAVES, 1 + (n + 1) * OCTAVES) for n in range(4))
WHOLE = np.ones((112, 112), np.float32)


def wave(length: float, degrees: float) -> np.ndarray:
    down, across = np.mgrid[0:112, 0:112]
    turned = across * np.cos(np.deg2rad(degrees)) + down * np.sin(np.deg2rad(degrees))
    return (10 * np.sin(2 * np.pi * turned / length)).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
@pytest.mark.parametrize(("length", "octave"), [(45, 0), (22, 1), (12, 2), (7, 3), (4, 4)])
def test_a_wave_is_found_in_its_octave_and_runs_one_way(length: float, octave: int, degrees: float) -> None:
    found = spectrum_of(wave(length, degrees), WHOLE)
    assert int(np.argmax(found[SHARES])) == octave
    assert found[SHARES][octave] > 0.85
    assert found[ONE_WAY][octave] > 0.85


def test_waves_that_cross_run_two_ways_and_no_way_alone() -> None:
    for turn in (0, 25):
        found = spectrum_of(wave(12, turn) + wave(12, turn + 90), WHOLE)
        assert found[ONE_WAY][2] < 0.1
        assert found[TWO_WAY][2] > 0.85


def test_noise_has_no_way_and_no_peaks() -> None:
    noise = np.random.default_rng(3).normal(0, 10, (112, 112)).astype(np.float32)
    found, regular = spectrum_of(noise, WHOLE), spectrum_of(wave(12, 0), WHOLE)
    assert max(found[ONE_WAY][2:]) < 0.2
    assert found[PEAKS][2] < 0.5 * regular[PEAKS][2]


def test_only_what_belongs_to_the_object_counts() -> None:
    mask = np.zeros((100, 90), np.float32)
    mask[20:80, 15:75] = 1
    ground = wave(7, 90)[:100, :90] * 9
    inside = wave(12, 0)[:100, :90]
    assert spectrum_of(np.where(mask > 0, inside, ground), mask) == pytest.approx(spectrum_of(inside * mask, mask))


def test_stripes_in_colour_alone_are_a_contrast() -> None:
    stripes, faint = wave(12, 0), wave(7, 90) / 20
    mixed = strongest([faint, stripes * 0.8, stripes * 0.6])
    assert abs(np.corrcoef(mixed.ravel(), stripes.ravel())[0, 1]) > 0.999
    assert float(np.std(mixed)) == pytest.approx(float(np.std(stripes)), rel=0.01)


def test_every_octave_has_cells() -> None:
    assert len(STARTS) == OCTAVES
    assert (np.diff(STARTS) > 5).all()
