"""The numbers by which patterns are told (pattern.py), written by workers/training/attributes.py."""

import numpy as np

MEASURES = (
    "edges_light",
    "edges_chroma",
    "detail",
    "chroma",
    "chroma_spread",
    "one_way",
    "two_way",
    "steps",
    "peaks",
    "tone_gap",
    "tone_clean",
    "rarer_share",
    "spots",
    "spots_vary",
    "spots_round",
    "spot_biggest",
)
LEAST_CERTAINTY = 0.5  # below, the answer is unknown
MEANS = np.array(
    [1.545, 1.338, 1.301, 21.274, 2.132, 0.451, 0.444, 0.329, 1.492, 2.800, 0.736, 0.313, 0.989, 1.032, 0.503, 0.115]
)
SPREADS = np.array(
    [0.651, 0.852, 0.583, 22.238, 1.019, 0.314, 0.296, 0.164, 0.385, 0.879, 0.119, 0.142, 0.572, 0.787, 0.256, 0.117]
)
# a row a measure; the columns are plain, striped, checked, dotted, print
WEIGHTS = np.array(
    [
        [-0.641, -0.014, 0.377, 0.115, 0.163],  # edges_light
        [-1.931, 0.644, 0.593, -0.008, 0.701],  # edges_chroma
        [-1.057, 0.655, 0.255, -0.063, 0.210],  # detail
        [0.823, -0.047, -0.575, -0.145, -0.057],  # chroma
        [0.248, -0.270, -0.329, 0.267, 0.084],  # chroma_spread
        [0.520, 1.317, -1.330, 0.275, -0.782],  # one_way
        [0.375, 1.778, 1.184, -1.598, -1.738],  # two_way
        [0.161, 0.438, -0.689, -0.202, 0.292],  # steps
        [0.318, -0.604, -0.621, 0.670, 0.237],  # peaks
        [0.244, -0.938, 0.029, 0.299, 0.367],  # tone_gap
        [-1.132, 0.754, 0.120, 0.667, -0.408],  # tone_clean
        [0.062, 0.482, 0.790, -0.518, -0.815],  # rarer_share
        [-0.479, 0.329, -0.102, 0.640, -0.388],  # spots
        [0.154, -0.051, -0.363, -0.274, 0.534],  # spots_vary
        [-0.470, -0.638, 0.157, 1.545, -0.595],  # spots_round
        [0.664, -0.332, -0.079, -0.485, 0.232],  # spot_biggest
        [1.782, -0.995, 0.347, -1.916, 0.783],  # always
    ]
)
