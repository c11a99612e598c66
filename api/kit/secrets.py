"""Key material: from the settings, or in development made once and kept in the data directory."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from api.settings import Settings

KEY_BYTES = 32


@dataclass(frozen=True)
class Secrets:
    """`token_keys`: key id -> 32 bytes, the first one seals, all of them open. `session_key` signs cookies."""

    session_key: str
    token_keys: dict[str, bytes]


def parse_token_keys(text: str) -> dict[str, bytes]:
    """`id:hex,id:hex`, newest first, each key 32 bytes; raises ValueError that says what is wrong."""
    keys = {}
    for entry in text.split(","):
        key_id, _, value = entry.strip().partition(":")
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            raw = b""
        if not key_id.isalnum() or len(key_id) > 8 or len(raw) != KEY_BYTES:
            raise ValueError("SHOPLIGHT_SECRETS_TOKEN_KEYS: write id:hex with 32 bytes of hex each, comma separated")
        keys[key_id] = raw
    return keys


def load_secrets(settings: Settings) -> Secrets:
    """The settings' secrets; what is missing is made once in `<data dir>/secrets.json` (mode 0600)."""
    given = settings.secrets
    if given.session_key and given.token_keys:
        return Secrets(given.session_key, parse_token_keys(given.token_keys))
    if settings.environment != "development":
        raise ValueError("outside development SHOPLIGHT_SECRETS_SESSION_KEY and _TOKEN_KEYS must be set")
    kept = _kept(settings.datadir / "secrets.json")
    return Secrets(given.session_key or kept["session_key"], parse_token_keys(given.token_keys or kept["token_keys"]))


def _kept(path: Path) -> dict[str, str]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = {"session_key": secrets.token_hex(KEY_BYTES), "token_keys": f"k1:{secrets.token_hex(KEY_BYTES)}"}
        partial = path.with_suffix(".part")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(made))
        partial.replace(path)
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded
