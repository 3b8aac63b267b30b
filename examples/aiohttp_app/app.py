"""An aiohttp.web app whose users sign in with Meloming; its requests then travel on their behalf, through aiohttp.

    pip install 'krauth[aiohttp]'
    export MELOMING_CLIENT_ID=… MELOMING_CLIENT_SECRET='…'
    python app.py    # http://127.0.0.1:5000/callback has to be registered as redirect URI

Without an account: `krauth sandbox` prints the variables for a Meloming of your own, MELOMING_BASE_URL among them.
"""

import html
import os
import secrets
from urllib.parse import urlsplit

from aiohttp import ClientSession, web

from krauth import AuthorizationError, AuthorizationRequest, AuthorizationRequired, TokenError
from krauth_aiohttp import MelomingOAuth

APP_URL = os.environ.get("APP_URL", "http://127.0.0.1:5000")
API_URL = os.environ.get("MELOMING_BASE_URL", "https://openapi.meloming.com")
STORE = os.environ.get("KRAUTH_STORE", "sqlite:///tokens.db")  # every user's token; survives restarts
API = web.AppKey("api", ClientSession)

routes = web.RouteTableDef()
sessions: dict[str, dict] = {}  # of this process, enough for an example; the browser holds a random id


def session_of(request: web.Request) -> dict:
    return sessions.get(request.cookies.get("session", ""), {})


def auth_for(user: str) -> MelomingOAuth:
    """Cheap: all that are made for a user share one token and one refresh, in every process with this store."""
    return MelomingOAuth.from_env(user=user, redirect_uri=f"{APP_URL}/callback", base_url=API_URL, store=STORE)


@routes.get("/")
async def home(request: web.Request) -> web.Response:
    session = session_of(request)
    if "user" not in session:
        return page('<form method="post" action="/login"><button id="login">Sign in with Meloming</button></form>')
    try:
        auth = auth_for(session["user"])
        async with request.app[API].get(f"{API_URL}/v1/me", middlewares=(auth,), raise_for_status=True) as answer:
            name = html.escape((await answer.json())["username"])
    except AuthorizationRequired:  # revoked, or not used for a week
        session.clear()
        raise web.HTTPSeeOther("/") from None
    form = '<form method="post" action="/logout"><button id="logout">Sign out</button></form>'
    return page(f"<p>Hello, <b id='name'>{name}</b></p>{form}")


@routes.post("/login")
async def login(request: web.Request) -> web.Response:
    user, name = secrets.token_urlsafe(16), secrets.token_urlsafe(32)  # or the id that your own accounts have
    pending = auth_for(user).authorization_request()
    sessions[name] = {"pending": {"user": user, **pending.to_dict()}}
    response = web.Response(status=303, headers={"Location": pending.url})
    response.set_cookie("session", name, httponly=True, samesite="Lax", secure=APP_URL.startswith("https:"))
    return response


@routes.get("/callback")
async def callback(request: web.Request) -> web.Response:
    session = session_of(request)
    kept = session.pop("pending", None) or {}  # once: a second callback finds nothing
    try:
        pending = AuthorizationRequest.from_dict(kept)
        await auth_for(kept["user"]).aauthorize(str(request.url), pending)
    except (AuthorizationError, TokenError) as error:
        return page(f"<p id='error'>{html.escape(str(error))}</p><a href='/'>Back</a>", 400)
    session["user"] = kept["user"]
    raise web.HTTPSeeOther("/")


@routes.post("/logout")
async def logout(request: web.Request) -> web.Response:
    if user := sessions.pop(request.cookies.get("session", ""), {}).get("user"):
        await auth_for(user).arevoke()
    raise web.HTTPSeeOther("/")


def page(body: str, status: int = 200) -> web.Response:
    head = "<!doctype html><html lang='en'><meta charset='utf-8'><title>krauth and aiohttp</title>"
    return web.Response(text=f"{head}{body}</html>", status=status, content_type="text/html")


async def api(app: web.Application):
    async with ClientSession() as app[API]:
        yield


if __name__ == "__main__":
    app = web.Application()
    app.add_routes(routes)
    app.cleanup_ctx.append(api)
    web.run_app(app, host="127.0.0.1", port=urlsplit(APP_URL).port, print=None)
