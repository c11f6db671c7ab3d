"""What the front page of the administration shows."""

from __future__ import annotations

from typing import Any

from django import template

from .. import front

register = template.Library()


@register.simple_tag(takes_context=True)
def front_boxes(context: dict[str, Any]) -> dict[str, list[front.Box]]:
    """Boxes that want somebody, and those that are well."""
    found = front.boxes(context["request"].user)
    return {
        "trouble": [one for one in found if one.level != front.OK],
        "fine": [one for one in found if one.level == front.OK],
    }
