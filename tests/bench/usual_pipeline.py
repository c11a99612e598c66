"""What projects like ours usually run, as a process of its own: it needs PyTorch, torchvision, Ultralytics and
scikit-learn, and nothing of ours. `python usual_pipeline.py <photo> <products> <crops>`, then a line per photo.

YOLO11n at 640 px, ResNet50 crop by crop, brute-force cosine over 2,048 numbers, the neighbours of all crops at once.
Weights are random (there is no hub here), which changes no time: crops are fixed boxes, as many as are asked for.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

DIMENSIONS, NEIGHBOURS, SIDE = 2048, 10, 224


def main() -> None:
    photo, products, crops = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    look = pipeline(photo, products, crops)
    look()  # lazy parts load at the first photo
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    for _ in sys.stdin:
        print(json.dumps(look()), flush=True)  # noqa: T201 - the answer


def pipeline(photo: Path, products: int, crops: int) -> Any:
    import numpy as np
    import torch
    from PIL import Image
    from sklearn.neighbors import NearestNeighbors
    from torchvision.models import resnet50
    from ultralytics import YOLO

    detector = YOLO("yolo11n.yaml")
    backbone = resnet50(weights=None).eval()
    backbone.fc = torch.nn.Identity()
    vectors = np.random.default_rng(3).standard_normal((products, DIMENSIONS), np.float32)
    index = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine", algorithm="brute").fit(vectors)
    mean, scale = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def embedded(crop: Image.Image) -> np.ndarray:
        pixels = np.asarray(crop.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32) / 255
        given = ((torch.from_numpy(pixels) - mean) / scale).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return backbone(given).numpy()

    def look() -> dict[str, float]:
        """Milliseconds of the stages of one photo."""
        marks = [time.perf_counter()]
        picture = Image.open(photo).convert("RGB")
        marks.append(time.perf_counter())
        detector.predict(picture, imgsz=640, verbose=False)
        marks.append(time.perf_counter())
        wide, high = picture.size
        boxes = [(wide * n // 10, high * n // 10, wide * (n + 5) // 10, high * (n + 5) // 10) for n in range(crops)]
        found = np.concatenate([embedded(picture.crop(box)) for box in boxes])
        marks.append(time.perf_counter())
        index.kneighbors(found)
        marks.append(time.perf_counter())
        stages = ("decode", "detect", "embed", "neighbours")
        return {name: (end - start) * 1000 for name, start, end in zip(stages, marks, marks[1:], strict=False)}

    return look


if __name__ == "__main__":
    main()
