"""`{{ platforms|called:slug }}` is a platform's name, `{{ name|source_title }}` a source's."""

from collections.abc import Mapping

from django import template

from market import selectors

register = template.Library()


@register.filter
def called(names: Mapping[str, str], slug: str) -> str:
    return names.get(slug, slug)


@register.filter
def source_title(name: str) -> str:
    return selectors.source_title(name)
