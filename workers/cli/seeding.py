"""`shoplight seed`: the demo's content into a running house of the scale-out shape, through its public API."""

import json
import logging

from api.settings_check import Role
from workers.cli.processes import begin, give_up, opened
from workers.cli.seed import Seeder, SeedingFailed, write_private

log = logging.getLogger(__name__)
ROLE = Role.seed


def seed() -> None:
    """Fill the house at http.base_url with the demo's publishers, brands and articles; print its line of JSON."""
    settings = begin(ROLE)
    with opened(settings, ROLE) as ports:
        try:
            line = Seeder(ports).run()
        except SeedingFailed as error:
            give_up(ROLE, str(error))
        write_private(settings.datadir / "demo.json", line)
    print(json.dumps(line), flush=True)  # noqa: T201 - what it is for
