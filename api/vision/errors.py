"""What can be wrong with a picture; how it is answered over HTTP belongs to the endpoints."""

from enum import StrEnum


class PictureFault(StrEnum):
    EMPTY = "empty"
    UNSUPPORTED = "unsupported"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    BUSY = "busy"


class PictureError(Exception):
    """A picture that cannot be used. `code` is one of PictureFault, `reason` a sentence for a person."""

    def __init__(self, reason: str, code: PictureFault) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
