"""Signing in, up and out, and the front page that says what this is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from api.accounts.auth import signed_in
from api.accounts.scopes import TenantKind
from api.accounts.service import AccountsDesk
from api.accounts.sessions import COOKIE
from api.errors import ApiError
from api.ports import Ports, PortsDep
from dashboard.demo.routes import demo_page
from dashboard.rendering import render
from dashboard.security import HOME_OF, CsrfChecked, SameOrigin, Viewer, local_path, sign_in, viewer

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=300)]
SIGN_UP_KINDS = (TenantKind.publisher, TenantKind.brand, TenantKind.developer)


@router.get("/")
async def front(request: Request, ports: PortsDep) -> Response:
    """What this is; a signed-in person goes home."""
    principal = await signed_in(request)
    if principal is not None:
        return RedirectResponse(HOME_OF[principal.kind], status_code=303)
    return render(request, "accounts/front.html", demo=await run_in_threadpool(demo_page, ports))


@router.get("/signin")
def sign_in_page(
    request: Request,
    ports: PortsDep,
    next: str = "/",  # noqa: A002 - the query parameter's usual name
) -> Response:
    """The form."""
    return _sign_in_form(request, ports, next)


def _sign_in_form(
    request: Request, ports: Ports, target: str, status: int = 200, email: str = "", problem: str = ""
) -> Response:
    return render(
        request, "accounts/signin.html", status, demo=demo_page(ports), next=local_path(target, "/"), email=email,
        problem=problem,
    )  # fmt: skip


@router.post("/signin", dependencies=[SameOrigin])
def sign_in_now(
    request: Request,
    ports: PortsDep,
    email: Text = "",
    password: Text = "",
    next: Text = "/",  # noqa: A002 - the form field's usual name
) -> Response:
    """Check the password; wrong ones are told no more than that."""
    caller = request.client.host if request.client else ""
    ports.gatekeeper.throttle.admit(email, caller)
    with ports.database.read() as session:
        user = AccountsDesk(session, ports.clock.now()).authenticate(email, password)
    if user is None:
        return _sign_in_form(request, ports, next, 422, email, "E-mail address or password is wrong.")
    ports.gatekeeper.throttle.succeeded(email, caller)
    response = RedirectResponse(local_path(next, "/"), status_code=303)
    sign_in(response, ports, user.id, user.session_epoch)
    return response


@router.get("/signup")
def sign_up_page(request: Request, kind: TenantKind = TenantKind.developer) -> Response:
    """The form."""
    return render(request, "accounts/signup.html", kinds=SIGN_UP_KINDS, form={"kind": kind.value}, problem="")


@router.post("/signup", dependencies=[SameOrigin])
def sign_up_now(
    request: Request, ports: PortsDep, kind: Text = "", name: Text = "", email: Text = "", password: Text = ""
) -> Response:
    """A new tenant with its first person, signed in at once."""
    form = {"kind": kind, "name": name, "email": email}
    try:
        chosen = next(item for item in SIGN_UP_KINDS if item.value == kind)
        if not name.strip():
            raise ApiError("Give your company or site a name.", pointer="#/name")
        with ports.database.write() as session:
            _, user = AccountsDesk(session, ports.clock.now()).sign_up(chosen, name[:200], email, password)
    except StopIteration:
        return render(
            request, "accounts/signup.html", 422, kinds=SIGN_UP_KINDS, form=form, problem="Choose what you are."
        )
    except ApiError as error:
        return render(request, "accounts/signup.html", 422, kinds=SIGN_UP_KINDS, form=form, problem=error.detail)
    response = RedirectResponse(HOME_OF[chosen], status_code=303)
    sign_in(response, ports, user.id, user.session_epoch)
    return response


@router.post("/signout", dependencies=[CsrfChecked])
def sign_out(ports: PortsDep, who: Annotated[Viewer, Depends(viewer)]) -> Response:
    """End every session of this person: a stolen cookie ends with it."""
    with ports.database.write() as session:
        AccountsDesk(session, ports.clock.now()).end_sessions(who.principal.user_id or "")
    ports.gatekeeper.forget()
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(COOKIE, path="/")
    return response
