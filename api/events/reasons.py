"""The closed sets of the event pipeline: what can happen, why an event is refused, flagged or dropped."""

from enum import StrEnum

RULES_VERSION = 1  # of the invalid-traffic rules below; stored with each event


class EventType(StrEnum):
    """What a shopper's page can report."""

    impression = "impression"
    viewable = "viewable"
    hover = "hover"
    open = "open"
    click = "click"
    add_to_cart = "add_to_cart"
    purchase = "purchase"
    video_quartile = "video_quartile"


class Rejection(StrEnum):
    """Why the collector refuses one event of a batch; it is stored nowhere."""

    malformed = "malformed"
    too_large = "too_large"
    id_invalid = "id_invalid"
    type_unknown = "type_unknown"
    at_invalid = "at_invalid"
    token_missing = "token_missing"  # noqa: S105 - a reason, not a secret
    token_forged = "token_forged"  # noqa: S105
    token_expired = "token_expired"  # noqa: S105
    token_foreign = "token_foreign"  # noqa: S105
    prefetch = "prefetch"


class Flag(StrEnum):
    """Why an accepted event is gross but not net (general invalid traffic). The first that applies is the one reported.

    Data-centre addresses are not judged: no address list ships with us, and an old one would accuse people.
    """

    known_bot = "known_bot"
    automated_browser = "automated_browser"
    non_browser_agent = "non_browser_agent"
    hidden_placement = "hidden_placement"
    repeat_impression = "repeat_impression"
    repeat_viewable = "repeat_viewable"
    repeat_click = "repeat_click"


class Drop(StrEnum):
    """Why a record of the log adds no row of its own."""

    unparsable = "unparsable"
    duplicate = "duplicate"
    conflict = "conflict"
