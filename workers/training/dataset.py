"""The detector's training folder: street photos and composed scenes side by side, in the form Ultralytics reads.

Photos are linked, labels copied: Ultralytics writes caches beside labels, and the shared data stays untouched.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from workers.training.split import LABELS, divide, streetstyle


def write_dataset(shared: Path, out: Path, scenes: Sequence[Path] = ()) -> Path:
    """Fill `out`; return its data file. Each of `scenes` holds images/*.jpg and labels/*.txt.

    Composed scenes are split by file name as photos are; the validation list holds street photos alone, since
    figures on pictures we composed would flatter us. The scenes kept back are listed in scenes.txt.
    """
    train, validation = streetstyle(shared)
    lists: dict[str, list[Path]] = {"train": [], "val": [], "scenes": []}
    lists["train"] += [_link(path, shared / "streetstyle" / "labels", out, "street") for path in train]
    lists["val"] += [_link(path, shared / "streetstyle" / "labels", out, "street") for path in validation]
    for number, folder in enumerate(scenes):
        prefix = f"scene{number}"
        images = sorted((folder / "images").glob("*.jpg"))
        scene_train, scene_validation = divide(images)
        lists["train"] += [_link(path, folder / "labels", out, prefix) for path in scene_train]
        lists["scenes"] += [_link(path, folder / "labels", out, prefix) for path in scene_validation]
    for name, paths in lists.items():
        (out / f"{name}.txt").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    # JSON is YAML: what Ultralytics reads, without a YAML library here.
    data = {"path": str(out), "train": "train.txt", "val": "val.txt", "names": dict(enumerate(LABELS))}
    file = out / "data.yaml"
    file.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return file


def _link(image: Path, labels: Path, out: Path, prefix: str) -> Path:
    target = out / "images" / f"{prefix}-{image.name}"
    label = out / "labels" / f"{prefix}-{image.stem}.txt"
    for path in (target, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(image.resolve())
    shutil.copyfile(labels / f"{image.stem}.txt", label)
    return target
