"""A FastAPI app whose users sign in with Meloming; its requests then travel on their behalf, through httpx.

    pip install 'krauth[httpx]' fastapi itsdangerous uvicorn
    export MELOMING_CLIENT_ID=… MELOMING_CLIENT_SECRET='…' APP_SECRET_KEY="$(openssl rand -hex 32)"
    python app.py    # http://127.0.0.1:5000/callback has to be registered as redirect URI

Without an account: `krauth sandbox` prints the variables for a Meloming of your own, MELOMING_BASE_URL among them.
"""

import contextlib
import html
import os
import secrets
from urllib.parse import urlsplit

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.middleware.sessions import SessionMiddleware

from krauth import AuthorizationError, AuthorizationRequest, AuthorizationRequired, TokenError
from krauth_httpx import MelomingOAuth

APP_URL = os.environ.get("APP_URL", "http://127.0.0.1:5000")
API_URL = os.environ.get("MELOMING_BASE_URL", "https://openapi.meloming.com")
STORE = os.environ.get("KRAUTH_STORE", "sqlite:///tokens.db")  # every user's token; survives restarts


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI):
    async with httpx.AsyncClient(base_url=API_URL) as app.state.api:
        yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(
    SessionMiddleware, os.environ["APP_SECRET_KEY"], same_site="lax", https_only=APP_URL.startswith("https:")
)


def auth_for(user: str) -> MelomingOAuth:
    """Cheap: all that are made for a user share one token and one refresh, in every process with this store."""
    return MelomingOAuth.from_env(user=user, redirect_uri=f"{APP_URL}/callback", base_url=API_URL, store=STORE)


@app.get("/")
async def home(request: Request):
    if "user" not in request.session:
        return page('<form method="post" action="/login"><button id="login">Sign in with Meloming</button></form>')
    try:
        answer = await app.state.api.get("/v1/me", auth=auth_for(request.session["user"]))
    except AuthorizationRequired:  # revoked, or not used for a week
        request.session.clear()
        return RedirectResponse("/", 303)
    name = html.escape(answer.raise_for_status().json()["username"])
    form = '<form method="post" action="/logout"><button id="logout">Sign out</button></form>'
    return page(f"<p>Hello, <b id='name'>{name}</b></p>{form}")


@app.post("/login")
async def login(request: Request):
    user = secrets.token_urlsafe(16)  # or the id that your own accounts have
    pending = auth_for(user).authorization_request()
    request.session["pending"] = {"user": user, **pending.to_dict()}  # in this browser's own cookie, signed
    return RedirectResponse(pending.url, 303)


@app.get("/callback")
async def callback(request: Request):
    kept = request.session.pop("pending", None) or {}  # once: a second callback finds nothing
    try:
        pending = AuthorizationRequest.from_dict(kept)
        await auth_for(kept["user"]).aauthorize(str(request.url), pending)
    except (AuthorizationError, TokenError) as error:
        return page(f"<p id='error'>{html.escape(str(error))}</p><a href='/'>Back</a>", 400)
    request.session["user"] = kept["user"]
    return RedirectResponse("/", 303)


@app.post("/logout")
async def logout(request: Request):
    if user := request.session.get("user"):
        await auth_for(user).arevoke()
    request.session.clear()
    return RedirectResponse("/", 303)


def page(body: str, status: int = 200) -> HTMLResponse:
    head = "<!doctype html><html lang='en'><meta charset='utf-8'><title>krauth and FastAPI</title>"
    return HTMLResponse(f"{head}{body}</html>", status)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=urlsplit(APP_URL).port or 5000, access_log=False)
