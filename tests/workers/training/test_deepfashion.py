"""DeepFashion's lists as published: read right, and each way of being wrong named with its file and line."""

from pathlib import Path

import pytest

from workers.training.own import deepfashion
from workers.training.own.problem import DataProblem

CATEGORIES = ["Anorak  1", "Button-Down             1", "Puffer Coat 1"]
IMAGES = [
    ("img/Sheer_Blouse/img_00000001.jpg", 2, "train", "072 079 232 273"),
    ("img/Sheer_Blouse/img_00000002.jpg", 2, "val", "067 059 155 161"),
    ("img/Warm_Coat/img_00000001.jpg", 3, "train", "065 065 156 200"),
    ("img/Warm_Coat/img_00000002.jpg", 3, "test", "051 062 167 182"),
]


def a_list(head: str, rows: list[str]) -> str:
    return "\n".join([str(len(rows)), head, *rows]) + "\n"


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    (tmp_path / "Anno").mkdir()
    (tmp_path / "Eval").mkdir()
    (tmp_path / "Img" / "img").mkdir(parents=True)
    (tmp_path / "Anno/list_category_cloth.txt").write_text(a_list("category_name  category_type", CATEGORIES))
    (tmp_path / "Anno/list_category_img.txt").write_text(
        a_list("image_name  category_label", [f"{name}    {label}" for name, label, _, _ in IMAGES])
    )
    (tmp_path / "Anno/list_bbox.txt").write_text(
        a_list("image_name  x_1  y_1  x_2  y_2", [f"{name} {box}" for name, _, _, box in IMAGES])
    )
    (tmp_path / "Eval/list_eval_partition.txt").write_text(
        a_list("image_name  evaluation_status", [f"{name} {part}" for name, _, part, _ in IMAGES])
    )
    return tmp_path


def test_categories_parts_and_boxes_come_together_and_unused_categories_drop_out(lists: Path) -> None:
    found = deepfashion.deepfashion(lists)
    assert [(s.label, s.part, s.box) for s in found] == [
        ("Button-Down", "train", (72, 79, 232, 273)),
        ("Button-Down", "val", (67, 59, 155, 161)),
        ("Puffer Coat", "train", (65, 65, 156, 200)),
        ("Puffer Coat", "test", (51, 62, 167, 182)),
    ]
    assert found[0].path == lists / "Img" / "img/Sheer_Blouse/img_00000001.jpg"


def test_without_partition_and_boxes_the_split_is_left_open(lists: Path) -> None:
    (lists / "Eval/list_eval_partition.txt").unlink()
    (lists / "Anno/list_bbox.txt").unlink()
    assert {(s.part, s.box) for s in deepfashion.deepfashion(lists)} == {("", None)}


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("Anno/list_category_img.txt", "    3", "    9", r"list_category_img\.txt, line 5: category 9; .* 1 to 3"),
        ("Anno/list_category_img.txt", "    3", "    x", r"line 5: 'x' is no whole number"),
        ("Anno/list_category_img.txt", "4\n", "5\n", "line 1 says 5 rows, 4 follow"),
        ("Anno/list_category_img.txt", "4\n", "many\n", "line 1: expected the number of rows, found 'many'"),
        ("Anno/list_category_img.txt", "4\n", "999999999\n", "at most 1,000,000 are taken"),
        (
            "Anno/list_category_img.txt",
            "img/Warm_Coat/img_00000001.jpg",
            "../../etc/a.jpg",
            "line 5: .* no picture under",
        ),
        ("Anno/list_category_img.txt", "img/Warm_Coat/img_00000001.jpg", "/etc/passwd", "line 5: .* no picture under"),
        ("Anno/list_category_img.txt", "_00000001.jpg    3", "_00000001.jpg", "line 5: 1 columns where 2 belong"),
        ("Anno/list_bbox.txt", "065 065 156 200", "065 065 065 200", r"list_bbox\.txt, line 5: the box .* is empty"),
        ("Anno/list_bbox.txt", " 156 200", "", "line 5: 3 columns where 5 belong"),
        ("Eval/list_eval_partition.txt", " val", " maybe", r"line 4: 'maybe' is none of train, val, test"),
        ("Eval/list_eval_partition.txt", "4\n", "\x00\n", "line 1: expected the number"),
        ("Anno/list_category_cloth.txt", "Anorak", "A" * 2000, "line 3: longer than 1024"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(lists: Path, name: str, old: str, new: str, said: str) -> None:
    text = (lists / name).read_text()
    assert old in text
    (lists / name).write_text(text.replace(old, new, 1))
    with pytest.raises(DataProblem, match=said):
        deepfashion.deepfashion(lists)


def test_lists_that_do_not_fit_one_another_are_named(lists: Path) -> None:
    rows = [f"{name} {part}" for name, _, part, _ in IMAGES[:3]]
    (lists / "Eval/list_eval_partition.txt").write_text(a_list("image_name evaluation_status", rows))
    with pytest.raises(DataProblem, match=r"line 6: .*img_00000002.jpg is not in list_eval_partition.txt"):
        deepfashion.deepfashion(lists)
    (lists / "Anno/list_category_cloth.txt").unlink()
    with pytest.raises(DataProblem, match=r"has no list_category_cloth.txt \(looked in ., Anno"):
        deepfashion.deepfashion(lists)


def test_bytes_that_are_no_text_are_refused(lists: Path) -> None:
    (lists / "Anno/list_bbox.txt").write_bytes(b"4\nname\n\xff\xfe\x00\n")
    with pytest.raises(DataProblem, match=r"list_bbox\.txt is not UTF-8"):
        deepfashion.deepfashion(lists)
