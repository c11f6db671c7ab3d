"""Pages: Django's WSGI application, which asgi.py runs on a few long-lived threads."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpuadvisor.settings.dev")
application = get_wsgi_application()

# What is loaded by now stays to the end: the collector need not walk through it again in the middle of a page.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)
