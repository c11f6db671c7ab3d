"""Pages: Django's WSGI application, which asgi.py runs on a few long-lived threads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpuadvisor.settings.dev")
application = get_wsgi_application()
