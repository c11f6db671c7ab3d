"""Words about answers."""

from django import template

from .. import failures

register = template.Library()


@register.filter
def failure(code: str) -> str:
    """Why the answer failed, in a sentence."""
    return failures.sentence(code)


@register.filter
def may_retry(code: str) -> bool:
    """Whether asking again could help."""
    return not code or failures.is_worth_retrying(code)
