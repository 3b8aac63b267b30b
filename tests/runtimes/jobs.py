"""Celery: the tiny app as a task."""

from __future__ import annotations

import os

import celery
import tiny

app = celery.Celery(broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)
account = app.task(tiny.account, name="account")
