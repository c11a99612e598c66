"""What the operations answer."""

from pydantic import BaseModel


class Reindexed(BaseModel):
    """`unusable` counts stored vectors of the wrong length or with broken numbers; those products are not found."""

    products: int
    unusable: int
    took_ms: int


class RolledUp(BaseModel):
    """`events` is the number of events, gross, that the new roll-ups add up to."""

    events: int
    took_ms: int


class Reconciled(BaseModel):
    """`differences` is empty when the counts agree; `waiting` is the length of the event log not yet stored, in its
    own offsets (bytes of the embedded log)."""

    log: dict[str, int]
    store: dict[str, int]
    waiting: int
    differences: list[str]
    took_ms: int
