"""Argon2id hashes of passwords, with the library's current defaults (RFC 9106, low-memory profile)."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH, MAX_LENGTH = 10, 200
_hasher = PasswordHasher()
# checked when nobody has that address, so that the answer takes as long as for a wrong password
_NOBODY = _hasher.hash("nobody has this password")


def hash_password(password: str) -> str:
    """An encoded Argon2id hash with its own salt and parameters."""
    return _hasher.hash(password)


def verify_password(encoded: str | None, password: str) -> bool:
    """Whether the password fits; `None` costs the same time and never fits."""
    try:
        return _hasher.verify(encoded or _NOBODY, password) and encoded is not None
    except (VerificationError, InvalidHashError):
        return False
