"""`{% load why %}`: {% ask_why "kpi" name period label=words %} leads from a figure to a question about it.

The parts of the key are joined by colons; empty ones are left out. Nothing where no advisor is mounted.
"""

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

register = template.Library()


@register.simple_tag
def ask_why(kind: str, *parts: object, label: object = "", css: str = "ask-why") -> SafeString | str:
    key = ":".join(str(part) for part in parts if part)
    try:
        url = reverse("chat:why", kwargs={"kind": kind, "key": key})
    except NoReverseMatch:
        return ""
    words = format_html('<span class="visually-hidden">: {}</span>', label) if label else ""
    return format_html('<a class="{}" href="{}">{}{}</a>', css, url, _("Ask why"), words)
