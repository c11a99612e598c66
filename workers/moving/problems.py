"""What stops a move, a back-up or a restore; the text is for the person who asked for it."""


class MoveRefused(Exception):
    """Nothing has been changed, or what has been is told in the text."""


class HouseInUse(MoveRefused):
    """Another process has the house open."""


class ArchiveUnusable(MoveRefused):
    """The archive is cut, altered, foreign or too new."""
