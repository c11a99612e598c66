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
    [1.552, 1.350, 1.271, 21.254, 2.149, 0.471, 0.454, 0.369, 1.507, 2.762, 0.728, 0.310, 1.024, 1.056, 0.486, 0.098]
)
SPREADS = np.array(
    [0.640, 0.842, 0.568, 22.151, 1.016, 0.310, 0.293, 0.178, 0.417, 0.876, 0.122, 0.143, 0.595, 0.768, 0.254, 0.104]
)
# a row a measure; the columns are plain, striped, checked, dotted, print
WEIGHTS = np.array(
    [
        [-0.507, -0.019, 0.476, 0.074, -0.024],  # edges_light
        [-1.952, 0.740, 0.553, -0.089, 0.748],  # edges_chroma
        [-1.011, 0.352, 0.189, 0.008, 0.462],  # detail
        [0.755, -0.129, -0.509, -0.131, 0.013],  # chroma
        [0.274, -0.326, -0.295, 0.361, -0.015],  # chroma_spread
        [0.587, 1.317, -1.174, 0.060, -0.791],  # one_way
        [0.344, 1.821, 1.147, -1.585, -1.727],  # two_way
        [0.001, 0.209, -0.701, 0.064, 0.427],  # steps
        [0.514, -0.791, -0.592, 0.719, 0.149],  # peaks
        [0.015, -0.577, -0.014, 0.391, 0.186],  # tone_gap
        [-1.141, 0.329, 0.247, 0.698, -0.134],  # tone_clean
        [0.009, 0.322, 0.884, -0.577, -0.638],  # rarer_share
        [-0.326, 0.263, -0.230, 0.765, -0.471],  # spots
        [0.030, -0.159, -0.260, -0.125, 0.514],  # spots_vary
        [-0.469, -1.077, 0.409, 1.608, -0.471],  # spots_round
        [0.891, -0.358, -0.059, -0.545, 0.071],  # spot_biggest
        [1.733, -1.130, 0.501, -2.063, 0.959],  # always
    ]
)
