"""The secrets of a house on their way: without them yesterday's tokens and sessions would open nothing in the new one.
And the demo's few notes to itself, which lie in the data directory too."""

import json
import os
from pathlib import Path

from api.kit.secrets import Secrets, load_secrets, parse_token_keys
from api.settings import Settings
from workers.moving.problems import MoveRefused

KEPT = "secrets.json"
KEEPSAKES = ("demo.json", "demo-members.json", "demo-sites.json")


def keys_of(settings: Settings) -> dict[str, str]:
    """The secrets that are in force, in the form of `secrets.json`; empty where this machine has none of them."""
    given = bool(settings.secrets.session_key and settings.secrets.token_keys)
    return _written(load_secrets(settings)) if given or (settings.datadir / KEPT).exists() else {}


def keepsakes_of(settings: Settings) -> dict[str, str]:
    """The demo's files, where there was a demo."""
    found = {name: settings.datadir / name for name in KEEPSAKES}
    return {name: path.read_text() for name, path in found.items() if path.is_file()}


def keys_problem(settings: Settings, coming: dict[str, str]) -> str | None:
    """What is wrong with a house's own secrets, given those that come; None when tokens and sessions will go on."""
    given = settings.secrets
    wrong = []
    if given.session_key and given.session_key != coming["session_key"]:
        wrong.append("SHOPLIGHT_SECRETS_SESSION_KEY is not the old house's session_key: everybody would be signed out")
    if given.token_keys:
        own = parse_token_keys(given.token_keys)
        lost = [name for name, key in parse_token_keys(coming["token_keys"]).items() if own.get(name) != key]
        if lost:
            wrong.append(
                f"SHOPLIGHT_SECRETS_TOKEN_KEYS lacks the old house's {', '.join(lost)}: events of tags shown until now "
                "would be refused; append the old house's token_keys to yours, the newest stays first"
            )
    return "; ".join(wrong) or None


def keep(settings: Settings, keys: dict[str, str], keepsakes: dict[str, str]) -> None:
    """Lay down what came; secrets that the settings give need no file."""
    settings.datadir.mkdir(parents=True, exist_ok=True)
    if keys and not (settings.secrets.session_key and settings.secrets.token_keys):
        write_private(settings.datadir / KEPT, json.dumps(keys))
    for name in KEEPSAKES:
        if name in keepsakes:
            write_private(settings.datadir / name, keepsakes[name])


def checked_keys(found: object) -> dict[str, str]:
    """Secrets as an archive has them; MoveRefused when they are none."""
    if not isinstance(found, dict) or set(found) != {"session_key", "token_keys"}:
        raise MoveRefused("the archive's secrets are not what they should be")
    keys = {name: str(value) for name, value in found.items()}
    try:
        parse_token_keys(keys["token_keys"])
    except ValueError as error:
        raise MoveRefused("the archive's token keys are not what they should be") from error
    return keys


def write_private(path: Path, text: str) -> None:
    """A file that its owner alone can read, whole or not at all."""
    partial = path.with_name(f"{path.name}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _written(secrets: Secrets) -> dict[str, str]:
    keys = ",".join(f"{name}:{key.hex()}" for name, key in secrets.token_keys.items())
    return {"session_key": secrets.session_key, "token_keys": keys}
