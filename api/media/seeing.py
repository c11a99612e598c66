"""From pixels to objects with vectors: which detections are worth a tag."""

from api.media.boxes import clamp
from api.media.objects import SeenObject, without_duplicates
from api.vision.picture import Picture
from api.vision.service import Eyes

MIN_SCORE = 0.3  # of a detection
MAX_OBJECTS = 10
MAX_DETECTIONS = 40
MIN_SIDE = 0.02  # of the picture: nothing smaller can be recognised or pointed at


def objects_on(eyes: Eyes, picture: Picture) -> list[SeenObject]:
    """What is on a picture, best first, one entry an object."""
    found = [
        (item, clamp((item.box.x, item.box.y, item.box.w, item.box.h)))
        for item in eyes.detect(picture, MIN_SCORE, MAX_DETECTIONS)
    ]
    found = [(item, box) for item, box in found if min(box[2], box[3]) >= MIN_SIDE]
    found = [found[index] for index in without_duplicates([box for _, box in found])][:MAX_OBJECTS]
    vectors = eyes.embed(picture, [item.box for item, _ in found])
    return [
        SeenObject(item.label, item.score, box, vector[None])
        for (item, box), vector in zip(found, vectors, strict=True)
    ]
