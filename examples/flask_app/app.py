"""A Flask app whose users sign in with Meloming; its requests then travel on their behalf, through requests.

    pip install 'krauth[requests]' flask
    export MELOMING_CLIENT_ID=… MELOMING_CLIENT_SECRET='…' APP_SECRET_KEY="$(openssl rand -hex 32)"
    python app.py    # http://127.0.0.1:5000/callback has to be registered as redirect URI

Without an account: `krauth sandbox` prints the variables for a Meloming of your own, MELOMING_BASE_URL among them.
"""

import os
import secrets
from urllib.parse import urlsplit

import requests
from flask import Flask, redirect, request, session
from markupsafe import Markup

from krauth import AuthorizationError, AuthorizationRequest, AuthorizationRequired, TokenError
from krauth_requests import MelomingOAuth

APP_URL = os.environ.get("APP_URL", "http://127.0.0.1:5000")
API_URL = os.environ.get("MELOMING_BASE_URL", "https://openapi.meloming.com")
STORE = os.environ.get("KRAUTH_STORE", "sqlite:///tokens.db")  # every user's token; survives restarts

app = Flask(__name__)
app.secret_key = os.environ["APP_SECRET_KEY"]
app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=APP_URL.startswith("https:"))


def auth_for(user: str) -> MelomingOAuth:
    """Cheap: all that are made for a user share one token and one refresh, in every process with this store."""
    return MelomingOAuth.from_env(user=user, redirect_uri=f"{APP_URL}/callback", base_url=API_URL, store=STORE)


@app.get("/")
def home():
    if "user" not in session:
        return page('<form method="post" action="/login"><button id="login">Sign in with Meloming</button></form>')
    try:
        answer = requests.get(f"{API_URL}/v1/me", auth=auth_for(session["user"]), timeout=10)
    except AuthorizationRequired:  # revoked, or not used for a week
        session.clear()
        return redirect("/", 303)
    answer.raise_for_status()
    form = '<form method="post" action="/logout"><button id="logout">Sign out</button></form>'
    return page(Markup("<p>Hello, <b id='name'>{}</b></p>").format(answer.json()["username"]) + Markup(form))


@app.post("/login")
def login():
    user = secrets.token_urlsafe(16)  # or the id that your own accounts have
    pending = auth_for(user).authorization_request()
    session["pending"] = {"user": user, **pending.to_dict()}  # in this browser's own cookie, signed
    return redirect(pending.url, 303)


@app.get("/callback")
def callback():
    kept = session.pop("pending", None) or {}  # once: a second callback finds nothing
    try:
        pending = AuthorizationRequest.from_dict(kept)
        auth_for(kept["user"]).authorize(request.url, pending)
    except (AuthorizationError, TokenError) as error:
        return page(Markup("<p id='error'>{}</p><a href='/'>Back</a>").format(error)), 400
    session["user"] = kept["user"]
    return redirect("/", 303)


@app.post("/logout")
def logout():
    if user := session.get("user"):
        auth_for(user).revoke()
    session.clear()
    return redirect("/", 303)


def page(body: str) -> str:
    return f"<!doctype html><html lang='en'><meta charset='utf-8'><title>krauth and Flask</title>{body}</html>"


if __name__ == "__main__":
    app.run("127.0.0.1", urlsplit(APP_URL).port)
