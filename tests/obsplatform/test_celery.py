"""What tasks can rely on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from celery import current_app
from django.conf import settings


def test_every_thread_rings_our_broker() -> None:
    with ThreadPoolExecutor(1) as pool:
        name, broker = pool.submit(lambda: (current_app.main, current_app.conf.broker_url)).result()

    assert (name, broker) == ("obsplatform", settings.REDIS_URL)
