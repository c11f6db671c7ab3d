"""Nothing that a model or a host writes makes the browser fetch anything foreign (promise 25): also half written."""

import time
from urllib.parse import urlsplit

import pytest

from chat.live import Writer
from tests.chat.made import an_answer, finish
from tests.chat.payloads import PAYLOADS
from tests.factories import UserFactory


@pytest.fixture
def host(server, transactional_db, sign_in, settings):
    settings.CACHE_KEY_PREFIX = "browser"  # as the server's
    user = UserFactory(password="Sunny-meadow-7")
    sign_in(user.email, "Sunny-meadow-7")
    return user


@pytest.fixture
def foreign(page, server):
    """Requests that left for another server; they are noted, and stopped."""
    asked = []

    def watch(route):
        url = route.request.url
        if urlsplit(url).netloc == urlsplit(server).netloc or url.startswith("data:"):
            route.continue_()
        else:
            asked.append(url)
            route.abort()

    page.context.route("**/*", watch)
    return asked


def policy_lines(console):
    return [line for line in console if "Content Security Policy" in line or "Refused to" in line]


def test_no_payload_reaches_out_from_a_finished_answer(host, page, server, foreign, console):
    """Each as an answer, as a question and as a title."""
    for text in PAYLOADS.values():
        answer = an_answer(host, "finished", f"Before.\n\n{text}\n\nAfter.", question=text)
        page.goto(f"{server}/chat/{answer.message.conversation_id}/")
        article = page.locator(f"#answer-{answer.pk}")
        assert "After." in article.inner_text()
        assert article.locator("img, svg:not(.icon), script, style, iframe, form, input, video, object").count() == 0
        assert page.title() != "pwned"
    page.wait_for_timeout(300)
    assert (foreign, policy_lines(console)) == ([], [])


def test_no_payload_reaches_out_while_it_is_written(host, page, server, foreign, console):
    """In steps that cut each of them at every few characters."""
    answer = an_answer(host)
    page.goto(f"{server}/chat/{answer.message.conversation_id}/")
    article = page.locator(f"#answer-{answer.pk}")
    writer = Writer(answer.pk)
    text = "\n\n".join(["Before.", *PAYLOADS.values(), "After."])
    for start in range(0, len(text), 25):
        writer.text(text[start : start + 25])
        time.sleep(0.03)
    page.wait_for_function(
        "pk => document.getElementById(`tail-${pk}`)?.innerText.includes('After.')", arg=str(answer.pk)
    )
    assert article.get_attribute("aria-busy") == "true"
    assert (foreign, policy_lines(console)) == ([], [])
    finish(answer, text)
    writer.end()
    page.wait_for_selector(f"#answer-{answer.pk}:not([aria-busy])")
    page.wait_for_timeout(300)
    assert (foreign, policy_lines(console)) == ([], [])
