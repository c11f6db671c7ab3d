"""`{% load sessions %}`: `{{ session.user_agent|browser }}`."""

from django import template
from django.utils.translation import gettext as _

from gpuadvisor.accounts.browsers import browser_and_system

register = template.Library()


@register.filter
def browser(user_agent: str) -> str:
    """ "Chrome on Linux", or what of it is known."""
    name, system = browser_and_system(user_agent or "")
    if name and system:
        return _("%(browser)s on %(system)s") % {"browser": name, "system": system}
    return name or system or _("Unknown browser")
