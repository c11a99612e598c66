"""Moving house, back-up and restore: one stream of parts, from a house or an archive into an archive or a house."""

from workers.moving.move import Moved, move, take_back
from workers.moving.problems import HouseInUse, MoveRefused
from workers.moving.restoring import Restored, backup, restore

__all__ = ["HouseInUse", "MoveRefused", "Moved", "Restored", "backup", "move", "restore", "take_back"]
