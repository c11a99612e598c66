"""Who looks at a page: sign-in by cookie, the CSRF token of every form, and the headers each page carries."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Form, Header, Request
from fastapi.responses import Response
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse

from api.accounts.auth import Principal, signed_in
from api.accounts.scopes import TenantKind
from api.accounts.sessions import COOKIE, MAX_AGE_S, SessionClaims
from api.errors import Forbidden, Unprocessable
from api.ports import Ports

# pages load nothing from elsewhere and run no inline script
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "media-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# a publisher's own pictures and films, shown with their tags, come from the publisher's hosts
WITH_FOREIGN_MEDIA = CONTENT_SECURITY_POLICY.replace("blob:;", "blob: http: https:;").replace(
    "media-src 'self'", "media-src 'self' http: https:"
)
HOME_OF = {kind: f"/{kind.value}" for kind in TenantKind}


class SignInFirst(Exception):
    """Nobody is signed in: the browser is sent to the sign-in page and back."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True)
class Viewer:
    """The person looking, and the token their forms carry."""

    principal: Principal
    csrf: str

    @property
    def tenant_id(self) -> str:
        """Whose rows they see."""
        return self.principal.tenant_id


async def viewer(request: Request) -> Viewer:
    """The signed-in person; otherwise the sign-in page."""
    principal = await signed_in(request)
    if principal is None:
        raise SignInFirst(request.url.path)
    ports: Ports = request.app.state.ports
    return Viewer(principal, ports.gatekeeper.signer.csrf_token(request.cookies[COOKIE]))


def viewer_of(kind: TenantKind) -> object:
    """A dependency: a signed-in person of that kind of tenant; the wrong kind gets 403."""

    async def check(found: Annotated[Viewer, Depends(viewer)]) -> Viewer:
        if found.principal.kind is not kind:
            raise Forbidden(f"This page is for {kind.value}s; you are signed in as a {found.principal.kind.value}.")
        return found

    return Depends(check)


async def csrf_checked(
    request: Request,
    csrf: Annotated[str, Form(max_length=200)] = "",
    x_csrf_token: Annotated[str, Header(max_length=200)] = "",
) -> None:
    """Every form post of a signed-in person carries the session's token, as a field or (htmx) a header."""
    ports: Ports = request.app.state.ports
    if not ports.gatekeeper.signer.csrf_ok(request.cookies.get(COOKIE, ""), csrf or x_csrf_token):
        raise Forbidden("This form is out of date; reload the page and try again.", code="csrf")


CsrfChecked = Depends(csrf_checked)


async def checked_form(request: Request, _: Annotated[Viewer, Depends(viewer)]) -> AsyncIterator[FormData]:
    """The form of an upload, read only now that the person is known. FastAPI would read a declared form before any
    dependency has run, and let strangers fill the disk. Raises Forbidden without the session's token."""
    async with request.form(max_files=1, max_fields=8) as form:
        token = form.get("csrf") or request.headers.get("x-csrf-token", "")
        await csrf_checked(request, csrf=str(token))
        yield form


CheckedForm = Annotated[FormData, Depends(checked_form)]


def the_file(form: FormData, name: str) -> UploadFile:
    """The file part of that name."""
    found = form.get(name)
    if isinstance(found, UploadFile) and found.filename and not found.size:
        raise Unprocessable("This file is empty.", pointer=f"#/{name}")
    if not isinstance(found, UploadFile) or not found.size:
        raise Unprocessable("Choose a file first.", pointer=f"#/{name}")
    return found


def same_origin(request: Request) -> None:
    """The sign-in and sign-up forms have no session yet: their Origin must be ours."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host', '')}":
        raise Forbidden("This form was sent from another site.", code="csrf")


SameOrigin = Depends(same_origin)


def sign_in(response: Response, ports: Ports, user_id: str, epoch: int) -> None:
    """Put the session cookie on an answer."""
    response.set_cookie(
        COOKIE,
        ports.gatekeeper.signer.sign(SessionClaims(user_id, epoch)),
        max_age=MAX_AGE_S,
        httponly=True,
        samesite="lax",
        secure=ports.settings.base_url.startswith("https:"),
        path="/",
    )


def redirect_to_sign_in(_: Request, error: Exception) -> Response:
    """Exception handler for `SignInFirst`."""
    path = error.path if isinstance(error, SignInFirst) else "/"
    return RedirectResponse(f"/signin?next={quote(path)}", status_code=303)


def local_path(target: str, fallback: str) -> str:
    """Where to go after signing in: a path of ours, never another site."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and "\n" not in target
    return target if safe else fallback
