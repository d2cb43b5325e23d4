"""A shop with three things in it."""

import os

from flask import Flask, jsonify, render_template

THINGS = ("layer", "manifest", "config")


def create_app() -> Flask:
    app = Flask(__name__)

    @app.get("/")
    def index() -> str:
        return render_template("index.html", things=THINGS, version=os.environ["SHOP_VERSION"])

    @app.get("/healthz")
    def health():
        return jsonify(status="ok", user=os.getuid())

    return app
