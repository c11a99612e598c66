"""How a surface repeats: the power spectrum of its strongest contrast, octave by octave. Stripes are power in one
direction, checks in two, dots and both of them in few sharp peaks; folds lie in the widest octave, prints in none."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
SIDE = 128  # of the transform; a patch is smaller
WAVES = (64, 32, 16, 9, 5.5, 2.8)  # pixels: the ends of the octaves, the finest of them as far as a picture holds
PEAKS = 6
MARGIN = 11  # within which the surface fades out: a hard edge has a spectrum of its own


def _octaves() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], Plane]:
    """Where OpenCV's packed transform of real values has the real and where the imaginary parts of the cells that are
    asked, octave after octave, where each octave starts, and what their powers are multiplied by: 1, and twice and
    four times their direction as a cosine and a sine. One half of the plane is asked: the other is its mirror."""
    down, across = (each.ravel() for each in np.mgrid[0:SIDE, 0 : SIDE // 2])
    rate = np.hypot(across, np.where(down > SIDE // 2, down - SIDE, down)) / SIDE
    angle = np.arctan2(np.where(down > SIDE // 2, down - SIDE, down), across)
    real = np.where(across > 0, down * SIDE + 2 * across - 1, (2 * down - 1) * SIDE)  # the first column runs downwards
    imaginary = np.where(across > 0, real + 1, real + SIDE)
    rate[(across == 0) & (down >= SIDE // 2)] = 0
    order = np.argsort(rate, kind="stable")
    ends = np.searchsorted(rate[order], [1 / wave for wave in WAVES])
    cells = order[ends[0] : ends[-1]]
    turned = [np.ones_like(angle), np.cos(2 * angle), np.sin(2 * angle), np.cos(4 * angle), np.sin(4 * angle)]
    return real[cells], imaginary[cells], ends[:-1] - ends[0], np.array(turned, np.float32)[:, cells]


REAL, IMAGINARY, STARTS, TURNED = _octaves()
OCTAVES = [slice(*ends) for ends in pairwise([*STARTS, len(REAL)])]


def strongest(planes: Sequence[Plane]) -> Plane:
    """Three channels as one, along the direction in colour in which they differ most: red checks on black are hardly
    any in lightness alone. The channels are less their means."""
    spread = np.array([[np.vdot(one, other) for other in planes] for one in planes], np.float64)
    axis = np.linalg.eigh(spread)[1][:, -1].astype(np.float32)
    return np.asarray(planes[0] * axis[0] + planes[1] * axis[1] + planes[2] * axis[2], np.float32)


def spectrum_of(contrast: Plane, mask: Plane) -> list[float]:
    """Of a surface without its shade, where the mask is 1: how strong it is; the share of each octave, how far its
    power lies in one direction and in two at a right angle, and how much of it in few peaks; the same of all octaves
    but the widest, which is light and shadow."""
    fading = np.asarray(cv2.blur(mask, (MARGIN, MARGIN)) * mask, np.float32)
    faded = contrast * fading
    faded -= fading * np.float32(float(faded.sum()) / float(fading.sum()))
    strength = float(np.vdot(faded, faded)) / float(np.vdot(fading, fading))
    power = _power(faded)
    sums = np.add.reduceat(TURNED * power, STARTS, axis=1) + np.float32(1e-6)
    every = sums[:, 1:].sum(axis=1)
    one_way, two_way = np.hypot(sums[1], sums[2]) / sums[0], np.hypot(sums[3], sums[4]) / sums[0]
    highest = [float(np.partition(power[octave], -PEAKS)[-PEAKS:].sum()) for octave in OCTAVES]
    peaks = highest / sums[0]
    ways = [np.hypot(every[1], every[2]) / every[0], np.hypot(every[3], every[4]) / every[0]]
    shares = sums[0] / sums[0].sum()
    found = [np.log1p(np.sqrt(strength)), *shares, *one_way, *two_way, *peaks, *ways, peaks[1:].max()]
    return [float(each) for each in found]


def _power(values: Plane) -> Plane:
    padded = np.zeros((SIDE, SIDE), np.float32)
    rows, columns = (min(length, SIDE) for length in values.shape)
    padded[:rows, :columns] = values[:rows, :columns]
    packed = cv2.dft(padded).ravel()
    real, imaginary = packed[REAL], packed[IMAGINARY]
    return np.asarray(real * real + imaginary * imaginary, np.float32)
