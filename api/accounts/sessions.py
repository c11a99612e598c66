"""Sign-in sessions: a signed, http-only, same-site cookie, and a CSRF token bound to it."""

import hashlib
import hmac
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE = "shoplight_session"
MAX_AGE_S = 14 * 24 * 3600


@dataclass(frozen=True)
class SessionClaims:
    """What the cookie says: the person and the number that ends all sessions when raised."""

    user_id: str
    epoch: int


class SessionSigner:
    """Signs and reads session cookies."""

    def __init__(self, session_key: str) -> None:
        self._serializer = URLSafeTimedSerializer(session_key, salt="shoplight.session")
        self._csrf_key = hashlib.sha256(b"csrf:" + session_key.encode()).digest()

    def sign(self, claims: SessionClaims) -> str:
        """The cookie's value."""
        return self._serializer.dumps([claims.user_id, claims.epoch])

    def read(self, cookie: str) -> SessionClaims | None:
        """The claims of a genuine cookie younger than 14 days, else None."""
        try:
            user_id, epoch = self._serializer.loads(cookie, max_age=MAX_AGE_S)
        except (BadSignature, ValueError, TypeError):
            return None
        return SessionClaims(str(user_id), int(epoch))

    def csrf_token(self, cookie: str) -> str:
        """The token every form of this session must carry."""
        return hmac.new(self._csrf_key, cookie.encode(), hashlib.sha256).hexdigest()

    def csrf_ok(self, cookie: str, token: str) -> bool:
        """Whether a form's token belongs to this session; compared in constant time."""
        return hmac.compare_digest(self.csrf_token(cookie).encode(), token.encode("utf-8", "replace"))
