"""What accounts take and answer."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.accounts.scopes import Scope
from api.kit.clock import UtcTime
from api.kit.names import one_line


class KeyCreate(BaseModel):
    """A new secret key; without scopes it gets all that its tenant can hold."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(one_line)]
    scopes: list[Scope] | None = Field(default=None, max_length=30)


class KeyRead(BaseModel):
    """A secret key without its secret; `hint` is its last four characters."""

    id: str
    name: str
    hint: str
    scopes: list[str]
    created_at: UtcTime


class KeyCreated(KeyRead):
    """The one answer that holds the secret."""

    secret: str


class TenantRead(BaseModel):
    """A tenant as the operator sees it."""

    id: str
    kind: str
    name: str
    listing_approved: bool
    created_at: UtcTime


class TenantUpdate(BaseModel):
    """The operator's decision on a brand's listing."""

    model_config = ConfigDict(extra="forbid")

    listing_approved: bool
