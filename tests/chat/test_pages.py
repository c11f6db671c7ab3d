"""The pages of the advisor (R-018, R-031, F10; ui.md 6)."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.services import set_tier
from chat import budget, services
from chat.models import Answer, Conversation, Message, Offer
from chat.selectors.threads import cut
from gpuadvisor.core import advising, clock
from tests.chat.made import an_answer
from tests.factories import AnswerFactory, ConversationFactory, MessageFactory, OfferFactory

HTMX = {"HX-Request": "true"}


def talk_url(conversation):
    return reverse("chat:conversation", kwargs={"pk": conversation.pk})


def send(client, text, conversation=None, **kwargs):
    url = reverse("chat:ask-in", kwargs={"pk": conversation.pk}) if conversation else reverse("chat:ask")
    return client.post(url, {"text": text, **kwargs.pop("data", {})}, **kwargs)


def once_of(response):
    return re.search(r'name="once" value="([^"]+)"', response.content.decode())[1]


def box_of(response):
    """What stands in the text box."""
    return re.search(r"<textarea[^>]*>([^<]*)</textarea>", response.content.decode())[1]


class TestAsking:
    def test_a_question_begins_a_conversation_and_leads_to_its_answer(self, host_client, host):
        response = send(host_client, "How am I doing?")
        answer = Answer.objects.get(user=host)
        assert response.status_code == 302
        assert response["Location"] == f"{talk_url(answer.message.conversation)}#answer-{answer.pk}"
        page = host_client.get(talk_url(answer.message.conversation)).content.decode()
        assert "How am I doing?" in page
        assert f'sse-connect="/chat/stream/{answer.pk}/"' in page
        assert re.search(r'id="composer-send"[^>]* disabled', page)

    def test_without_a_stream_a_running_answer_shows_its_text_so_far(self, host_client, host):
        """R-018: a reload tells what is stored, and the link to the answer makes a request of its own."""
        answer = an_answer(host, text="Your net was **good** and")
        pages = [talk_url(answer.message.conversation), reverse("chat:answer", kwargs={"pk": answer.pk})]
        for page in (host_client.get(url).content.decode() for url in pages):
            assert "Your net was <strong>good</strong> and" in page
            assert "Looking up your figures" not in page
            assert re.search(r'class="show-answer" href="([^"]+)"', page)[1] == pages[1]
        Answer.objects.filter(pk=answer.pk).update(is_stop_asked=True)
        page = host_client.get(pages[0]).content.decode()
        assert "Stopping…" in page
        assert "Your net was" in page

    def test_a_search_keeps_the_mark_of_the_open_conversation(self, host_client, host):
        talk = an_answer(host, state="finished", text="Well.").message.conversation
        for page, marks in ((talk_url(talk), 1), (reverse("chat:index"), 0), ("/nowhere/", 0)):
            headers = HTMX | {"HX-Current-URL": f"http://testserver{page}?q=x"}
            found = host_client.get(reverse("chat:index"), {"q": "Today"}, headers=headers).content.decode()
            assert found.count('aria-current="page"') == marks, page

    def test_one_click_asks_a_suggested_question(self, host_client, host):
        page = host_client.get(reverse("chat:index")).content.decode()
        texts = re.findall(r'name="text" value="([^"]+)"', page)
        assert 1 <= len(texts) <= 4
        assert page.count('action="/chat/ask/"') == len(texts) + 1

    def test_a_double_click_asks_once(self, host_client, host):
        once = once_of(host_client.get(reverse("chat:index")))
        first = send(host_client, "How am I doing?", data={"once": once})
        second = send(host_client, "How am I doing?", data={"once": once})
        assert first["Location"] == second["Location"]
        assert Message.objects.filter(role="user").count() == 1

    def test_a_second_question_while_one_is_answered_is_refused_and_stays_in_the_box(self, host_client, host):
        answer = AnswerFactory(question__conversation__user=host, state="working", message__content="")
        talk = answer.message.conversation
        page = send(host_client, "And my power?", talk)
        assert (page.status_code, box_of(page)) == (409, "And my power?")
        part = send(host_client, "And my power?", talk, headers=HTMX)
        assert (part.status_code, box_of(part)) == (409, "And my power?")
        assert part["HX-Retarget"] == "#composer"
        assert "The advisor is still answering." in part.content.decode()

    @pytest.mark.parametrize(
        ("text", "words"),
        [("   ", "Enter a question."), ("x" * 20_001, "8,000 characters"), ("a\x00b", "Null characters")],
        ids=["empty", "too-long", "null"],
    )
    def test_what_cannot_be_sent_says_why_and_stays_in_the_box(self, host_client, host, text, words):
        talk = ConversationFactory(user=host)
        for page in (
            send(host_client, text),
            send(host_client, text, talk),
            send(host_client, text, talk, headers=HTMX),
        ):
            assert page.status_code == 422
            assert words in page.content.decode()
            assert box_of(page).strip() == text.strip().replace("\x00", "\x00")

    def test_exactly_8000_characters_are_sent_however_the_browser_breaks_lines(self, host_client, host):
        assert send(host_client, "a\r\n" * 3_999 + "bc").status_code == 302
        assert Message.objects.get(role="user").content.count("\n") == 3_999

    def test_htmx_gets_both_messages_and_a_fresh_box(self, host_client, host):
        talk = AnswerFactory(question__conversation__user=host).message.conversation
        part = send(host_client, "And my power?", talk, headers=HTMX).content.decode()
        assert "<html" not in part
        assert part.count("<article") == 2
        assert 'hx-swap-oob="outerHTML"' in part
        assert "data-sent" in part

    def test_the_list_is_drawn_anew_as_it_is_narrowed(self, host_client, host):
        """Sent: the conversation is the newest, and archived no more. Ended: it may have a title now."""
        now = clock.now()
        old = AnswerFactory(question__conversation__user=host).message.conversation
        Conversation.objects.filter(pk=old.pk).update(title="Power", is_archived=True, last_message_at=now)
        ConversationFactory(user=host, title="Rates", last_message_at=now)
        part = send(host_client, "And my power?", old, headers=HTMX).content.decode()
        assert 'hx-swap-oob="innerHTML:#thread-side"' in part
        assert part.index(f"thread-{old.pk}") < part.index(">Rates<")
        url = reverse("chat:meter", kwargs={"pk": old.pk})
        assert 'id="threads"' not in host_client.get(url, headers=HTMX).content.decode()
        Answer.objects.update(state="finished")
        assert "load delay:4s" not in host_client.get(url, headers=HTMX).content.decode()
        line = host_client.get(url, {"q": "Power"}, headers=HTMX).content.decode()
        assert '<div id="threads" hx-swap-oob="outerHTML">' in line
        assert ">Power<" in line
        assert ">Rates<" not in line

    def test_a_title_that_the_model_makes_is_asked_for_once_more(self, host_client, host, settings):
        """It comes seconds after the first answer has ended."""
        settings.ADVISOR_HAS_MODEL = True
        talk = AnswerFactory(question__conversation__user=host).message.conversation
        Conversation.objects.filter(pk=talk.pk).update(message_count=1)
        url = reverse("chat:meter", kwargs={"pk": talk.pk})
        Answer.objects.update(state="working")
        assert "again=1" not in host_client.get(url, headers=HTMX).content.decode()
        Answer.objects.update(state="finished")
        line = host_client.get(url, headers=HTMX).content.decode()
        assert "load delay:4s" in line
        assert "again=1" in line
        assert "load delay:4s" not in host_client.get(url, {"again": 1}, headers=HTMX).content.decode()

    def test_whoever_is_signed_out_meanwhile_is_asked_to_sign_in(self, client, host):
        talk = ConversationFactory(user=host)
        response = send(client, "How am I doing?", talk)
        assert response["Location"].startswith(reverse("account_login"))


class TestLimits:
    def test_message_51_of_a_free_thread_is_refused_before_it_is_sent(self, host_client, host):
        """R-031: the limit is stated, the draft kept, the next plan and a new conversation offered."""
        talk = AnswerFactory(question__conversation__user=host).message.conversation
        Conversation.objects.filter(pk=talk.pk).update(message_count=50)
        page = host_client.get(talk_url(talk)).content.decode()
        assert "This conversation has its 50 messages" in page
        assert "The Individual plan holds 500 messages in a conversation." in page
        assert f'formaction="{reverse("chat:ask")}"' in page
        refused = send(host_client, "One more", talk)
        assert (refused.status_code, box_of(refused)) == (422, "One more")
        assert send(host_client, "One more").status_code == 302

    def test_the_meter_stands_beside_the_button(self, host_client, host, settings):
        settings.ADVISOR_HAS_MODEL = True
        talk = AnswerFactory(question__conversation__user=host).message.conversation
        Conversation.objects.filter(pk=talk.pk).update(message_count=12)
        page = " ".join(host_client.get(talk_url(talk)).content.decode().split())
        assert "12 of 50 questions here" in page
        assert "20,000 of 20,000 tokens left today (about 3 questions)" in page
        assert "all again at <time" in page

    def test_the_sixth_conversation_is_refused_until_one_is_deleted(self, host_client, host):
        talks = ConversationFactory.create_batch(5, user=host)
        page = host_client.get(reverse("chat:index")).content.decode()
        assert "Your plan holds 5 conversations, and you have them." in page
        assert "The Individual plan holds 50 conversations." in page
        refused = send(host_client, "A sixth")
        assert (refused.status_code, box_of(refused)) == (422, "A sixth")
        host_client.post(reverse("chat:archive", kwargs={"pk": talks[0].pk}))
        assert send(host_client, "A sixth").status_code == 422
        host_client.post(reverse("chat:delete", kwargs={"pk": talks[0].pk}))
        assert send(host_client, "A sixth").status_code == 302

    def test_a_used_up_day_says_when_it_begins_anew(self, host_client, host, settings):
        settings.ADVISOR_HAS_MODEL = True
        budget.TokenDay.objects.create(user=host, day=clock.today(), used=20_000)
        page = host_client.get(reverse("chat:index")).content.decode()
        assert "tokens are used up" in page
        assert 'id="composer-notice"' in page
        assert "answers come from rules" in page
        assert "The Individual plan has 200,000 tokens a day." in page
        assert 'id="composer-send">' in page
        assert send(host_client, "How am I doing?").status_code == 302
        assert Answer.objects.get().advisor == "rules"

    def test_what_an_answer_on_its_way_holds_is_not_told_as_used_up(self, host_client, host, settings):
        settings.ADVISOR_HAS_MODEL = True
        send(host_client, "How am I doing?")
        assert budget.TokenDay.objects.get().reserved == 20_000
        page = host_client.get(talk_url(Conversation.objects.get())).content.decode()
        assert "20,000 of 20,000 tokens left today (about 3 questions)" in page
        assert "used up" not in page

    def test_a_plan_without_limits_shows_none(self, host_client, host):
        set_tier(host, "professional")
        talk = ConversationFactory(user=host, message_count=900)
        page = host_client.get(talk_url(talk)).content.decode()
        assert "questions here" not in page
        assert send(host_client, "Go on", talk).status_code == 302


class TestWhoAnswers:
    def test_without_a_model_the_page_says_that_rules_answer(self, host_client):
        assert "not from a language model" in host_client.get(reverse("chat:index")).content.decode()

    def test_a_provider_that_is_out_is_said_and_asking_still_keeps_the_question(self, host_client, host, settings):
        settings.ADVISOR_HAS_MODEL = True
        for _ in range(5):
            AnswerFactory(advisor="model", state="failed", error="unavailable")
        assert "cannot be reached at the moment" in host_client.get(reverse("chat:index")).content.decode()
        assert send(host_client, "How am I doing?").status_code == 302

    def test_a_question_that_no_queue_takes_is_said_to_be_kept(self, host_client, host):
        answer = AnswerFactory(
            question__conversation__user=host, state="waiting", asked_at=clock.now() - timedelta(seconds=16)
        )
        url = reverse("chat:meter", kwargs={"pk": answer.message.conversation_id})
        assert "answered once the queue is back" in host_client.get(url, headers=HTMX).content.decode()
        Answer.objects.update(asked_at=clock.now())
        assert "answered once the queue is back" not in host_client.get(url, headers=HTMX).content.decode()

    def test_the_demo_reads_and_is_offered_an_account(self, host_client, host):
        host.is_demo = True
        host.save()
        answer = AnswerFactory(question__conversation__user=host)
        page = host_client.get(talk_url(answer.message.conversation)).content.decode()
        assert answer.message.content in page
        assert "<textarea" not in page
        assert reverse("account_signup") in page
        start = host_client.get(reverse("chat:index")).content.decode()
        assert "What was asked before" in start
        assert start.count(f'href="{talk_url(answer.message.conversation)}"') == 2  # in the list, too
        assert send(host_client, "Mine?", answer.message.conversation).status_code == 403
        assert Message.objects.filter(role="user").count() == 1


class TestTheConversation:
    def test_ten_thousand_messages_take_as_many_queries_as_ten(self, host_client, host):
        def queries(talk, **query):
            with CaptureQueriesContext(connection) as seen:
                page = host_client.get(talk_url(talk), query)
            return len(seen), page.content.decode()

        short, long = ConversationFactory(user=host), ConversationFactory(user=host)
        for talk, count in ((short, 10), (long, 2_000)):
            Message.objects.bulk_create(
                Message(conversation=talk, role=("user", "assistant")[n % 2], content=f"message {n}.")
                for n in range(count)
            )
        queries(short)  # warm
        few, _ = queries(short)
        many, page = queries(long)
        assert many == few
        assert "message 1999." in page
        assert "message 1969." not in page
        earlier = re.search(r"\?before=([0-9a-f-]+)", page)[1]
        part = host_client.get(talk_url(long), {"before": earlier}, headers=HTMX).content.decode()
        assert "message 1969." in part
        assert "message 1940." in part
        assert "message 1970." not in part
        assert "<html" not in part

    def test_what_is_deleted_is_not_shown(self, host_client, host):
        answer = AnswerFactory(question__conversation__user=host, message__content="Gone soon")
        url = reverse("chat:message-delete", kwargs={"pk": answer.question_id})
        assert "Lost are the question" in host_client.get(url).content.decode()
        assert host_client.post(url).status_code == 302
        assert "Gone soon" not in host_client.get(talk_url(answer.message.conversation)).content.decode()
        assert host_client.get(url).status_code == 404

    def test_an_answer_on_its_way_is_not_deleted(self, host_client, host):
        answer = AnswerFactory(question__conversation__user=host, state="working")
        response = host_client.post(reverse("chat:message-delete", kwargs={"pk": answer.question_id}))
        assert response.status_code == 409
        assert "still answering" in response.content.decode()

    def test_stopping_leads_back_to_the_answer(self, host_client, host):
        answer = AnswerFactory(question__conversation__user=host, state="waiting")
        url = reverse("chat:stop", kwargs={"pk": answer.pk})
        assert host_client.post(url)["Location"].endswith(f"#answer-{answer.pk}")
        assert host_client.post(url, headers=HTMX).status_code == 204
        answer.refresh_from_db()
        assert answer.state == "stopped"

    def test_a_failed_answer_is_tried_again_with_one_click(self, host_client, host):
        answer = AnswerFactory(question__conversation__user=host, state="failed", error="busy", message__content="")
        page = host_client.get(talk_url(answer.message.conversation)).content.decode()
        url = reverse("chat:retry", kwargs={"pk": answer.pk})
        assert url in page
        host_client.post(url)
        assert Answer.objects.filter(question=answer.question, state="waiting").count() == 1
        assert host_client.post(url).status_code == 302  # a second click leads to the same one
        assert Answer.objects.filter(question=answer.question).count() == 2

    def test_an_answer_has_an_address_of_its_own(self, host_client, host):
        answer = AnswerFactory(question__conversation__user=host)
        url = reverse("chat:answer", kwargs={"pk": answer.pk})
        assert "Well enough." in host_client.get(url).content.decode()
        assert "<html" not in host_client.get(url, headers=HTMX).content.decode()


class TestTheList:
    def test_pinned_come_first_and_pages_go_on_by_key(self, host_client, host):
        now = clock.now()
        talks = [
            ConversationFactory(user=host, title=f"talk {n}.", last_message_at=now - timedelta(hours=n))
            for n in range(30)
        ]
        services.pin(talks[29], is_pinned=True)
        page = host_client.get(reverse("chat:index")).content.decode()
        order = re.findall(r"talk (\d+)\.", page)
        assert order == ["29", *(str(n) for n in range(24))]
        more = re.search(r'href="(/chat/\?after=[^"]+)"', page)[1]
        part = host_client.get(more, headers=HTMX).content.decode()
        assert re.findall(r"talk (\d+)\.", part) == [str(n) for n in range(24, 29)]

    def test_a_search_looks_into_titles_and_messages(self, host_client, host, stranger):
        MessageFactory(conversation__user=host, conversation__title="Power", content="why is my 3090 idle?")
        MessageFactory(conversation__user=host, conversation__title="3090 price", content="hm")
        gone = MessageFactory(conversation__user=host, conversation__title="Other", content="3090", is_deleted=True)
        MessageFactory(conversation__user=host, conversation__title="Tool", content="3090", role="tool")
        MessageFactory(conversation__user=stranger, conversation__title="Theirs", content="3090")
        page = host_client.get(reverse("chat:index"), {"q": "3090"}, headers=HTMX).content.decode()
        assert "Power" in page
        assert "3090 price" in page
        assert "why is my 3090 idle?" in page
        assert gone.conversation.title not in page
        assert "Theirs" not in page
        assert "Tool" not in page
        assert "Nothing holds" in host_client.get(reverse("chat:index"), {"q": "zzz%"}).content.decode()

    def test_a_thousand_conversations_take_as_many_queries_as_one(self, host_client, host):
        def queries():
            with CaptureQueriesContext(connection) as seen:
                host_client.get(reverse("chat:index"), {"q": "talk"})
            return len(seen)

        ConversationFactory(user=host, title="talk")
        queries()
        few = queries()
        Conversation.objects.bulk_create(
            Conversation(user=host, title=f"talk {n}", last_message_at=clock.now()) for n in range(1_000)
        )
        assert queries() == few

    def test_archived_ones_are_apart_and_come_back(self, host_client, host):
        talk = ConversationFactory(user=host, title="Old talk")
        host_client.post(reverse("chat:archive", kwargs={"pk": talk.pk}))
        assert "Old talk" not in host_client.get(reverse("chat:index"), headers=HTMX).content.decode()
        assert "Old talk" in host_client.get(reverse("chat:index"), {"archived": 1}, headers=HTMX).content.decode()
        host_client.post(reverse("chat:restore", kwargs={"pk": talk.pk}))
        assert "Old talk" in host_client.get(reverse("chat:index"), headers=HTMX).content.decode()

    @pytest.mark.parametrize(
        ("content", "found"),
        [("short 3090", "short 3090"), ("a " * 60 + "3090" + " b" * 60, "… ")],
        ids=["whole", "cut"],
    )
    def test_what_was_found_is_one_line_around_the_place(self, content, found):
        line = cut(content, "3090")
        assert "3090" in line
        assert len(line) < 100
        assert line == found or line.startswith("…")


class TestKeeping:
    def test_a_title_is_the_hosts_own_once_given(self, host_client, host):
        talk = ConversationFactory(user=host)
        url = reverse("chat:rename", kwargs={"pk": talk.pk})
        assert host_client.post(url, {"title": "  "}).status_code == 422
        assert host_client.post(url, {"title": "x" * 201}).status_code == 422
        assert host_client.post(url, {"title": "Winter <b>prices</b>"}).status_code == 302
        talk.refresh_from_db()
        assert (talk.title, talk.is_renamed) == ("Winter <b>prices</b>", True)
        assert "Winter <b>" not in host_client.get(talk_url(talk)).content.decode()

    def test_pinning_twice_is_pinning_once(self, host_client, host):
        talk = ConversationFactory(user=host)
        url = reverse("chat:pin", kwargs={"pk": talk.pk})
        for on, expected in (("1", True), ("1", True), ("0", False)):
            host_client.post(url, {"on": on})
            talk.refresh_from_db()
            assert talk.is_pinned is expected

    def test_deleting_says_what_is_lost(self, host_client, host):
        talk = ConversationFactory(user=host, message_count=3)
        page = host_client.get(talk_url(talk)).content.decode()
        assert "3 questions and their answers" in page
        assert "It frees one of your 1 of 5 conversations." in page
        host_client.post(reverse("chat:delete", kwargs={"pk": talk.pk}))
        assert not Conversation.objects.filter(pk=talk.pk).exists()

    def test_wishes_are_edited_and_forgotten_and_say_where_they_come_from(self, host_client, host):
        said = MessageFactory(conversation__user=host, content="I never go below $0.30 for a 3090.")
        talk = said.conversation
        wish = {"text": "Never below $0.30", "quote": "I never go below $0.30", "message": str(said.pk), "at": ""}
        talk.user_preferences = {"items": [wish]}
        talk.context_summary = {"text": "- Asked about prices → told the median", "by": "rules"}
        talk.save()
        url = reverse("chat:memory", kwargs={"pk": talk.pk})
        page = host_client.get(url).content.decode()
        assert "Never below $0.30" in page
        assert "I never go below $0.30" in page
        assert "Asked about prices" in page
        host_client.post(url, {"lines": "Never below $0.30\nUSD only"})
        talk.refresh_from_db()
        assert [item["text"] for item in talk.user_preferences["items"]] == ["Never below $0.30", "USD only"]
        assert talk.user_preferences["items"][0]["quote"] == "I never go below $0.30"
        host_client.post(url, {"forget": "Never below $0.30"})
        talk.refresh_from_db()
        assert [item["text"] for item in talk.user_preferences["items"]] == ["USD only"]
        assert host_client.post(url, {"lines": "x" * 300}).status_code == 422


class TestSources:
    RESULT = (
        '{"call":1,"rows":[{"id":"net","title":"Net <i>","url":"/dashboard/","cells":{"value":{"label":"Value",'
        '"value":"9.40","kind":"number","unit":"USD","quality":"estimated"},"gone":{"label":"Power","value":null,'
        '"unit":"W","quality":"unknown","missing":"Enter its watts."}}}],"url":"//evil.example","notes":["So"],'
        '"left_out":2}'
    )

    def test_rows_have_anchors_units_and_what_is_missing(self, host_client, host):
        tool = MessageFactory(
            conversation__user=host,
            role="tool",
            content=self.RESULT,
            metadata={"name": "kpis", "label": "Your figures", "arguments": {"period": "7d", "gpu": ""}},
        )
        page = host_client.get(reverse("chat:sources", kwargs={"pk": tool.pk})).content.decode()
        assert 'id="net"' in page
        assert "$9.40" in page
        assert "Net &lt;i&gt;" in page
        assert "Enter its watts." in page
        assert "7 days" in page
        assert 'href="/dashboard/"' in page
        assert "evil.example" not in page
        assert "2 more rows were too much to tell." in page

    @pytest.mark.parametrize("content", ['{"call": 1, "error": "No such GPU."}', "{}", "not json"])
    def test_a_look_up_without_rows_says_so(self, host_client, host, content):
        tool = MessageFactory(conversation__user=host, role="tool", content=content, metadata={"name": "gone"})
        page = host_client.get(reverse("chat:sources", kwargs={"pk": tool.pk})).content.decode()
        assert "No such GPU." in page or "It found no rows." in page

    def test_two_look_ups_of_one_tool_are_told_apart(self, host_client, host):
        message = AnswerFactory(question__conversation__user=host).message
        for period in ("7d", "30d"):
            about = {"answer": str(message.pk), "name": "kpis", "arguments": {"period": period}}
            MessageFactory(conversation=message.conversation, role="tool", content="{}", metadata=about)
        page = host_client.get(talk_url(message.conversation)).content.decode()
        assert ">Your figures, 7 days</a>" in page
        assert ">Your figures, 30 days</a>" in page

    def test_a_question_has_no_sources(self, host_client, host):
        asked = MessageFactory(conversation__user=host)
        assert host_client.get(reverse("chat:sources", kwargs={"pk": asked.pk})).status_code == 404


class TestOffers:
    @pytest.fixture
    def done(self, monkeypatch):
        """The arguments of every change that was made."""
        calls = []

        class Given(advising.Arguments):
            rate: int

        def perform(user, given):
            calls.append((user.pk, given.rate))
            return f"The rate is {given.rate} now."

        offered = advising.Offered(
            "set_rate", "Set a rate", "", lambda user, given: advising.Card("", ()), perform, Given
        )
        monkeypatch.setitem(advising._offers, "set_rate", offered)
        return calls

    def test_confirming_does_exactly_the_stored_card_once(self, host_client, host, done):
        """Promise: nothing of it comes from the page."""
        answer = AnswerFactory(question__conversation__user=host)
        offer = OfferFactory(message=answer.message, name="set_rate", arguments={"rate": 7}, lines=[["Rate", "$7"]])
        page = host_client.get(talk_url(answer.message.conversation)).content.decode()
        assert "<dt>Rate</dt><dd>$7</dd>" in page
        url = reverse("chat:offer-confirm", kwargs={"pk": offer.pk})
        assert host_client.get(url).status_code == 405
        part = host_client.post(url, {"rate": "900", "arguments": '{"rate": 900}'}, headers=HTMX).content.decode()
        assert "The rate is 7 now." in part
        assert "Done" in part
        assert "<form" not in part
        again = host_client.post(url)
        assert again["Location"].endswith(f"#offer-{offer.pk}")
        assert done == [(host.pk, 7)]

    def test_declining_changes_nothing_and_cannot_be_taken_back(self, host_client, host, done):
        offer = OfferFactory(message__conversation__user=host, name="set_rate", arguments={"rate": 7})
        host_client.post(reverse("chat:offer-decline", kwargs={"pk": offer.pk}))
        host_client.post(reverse("chat:offer-confirm", kwargs={"pk": offer.pk}))
        assert (Offer.objects.get().state, done) == ("declined", [])

    def test_what_is_not_possible_any_more_ends_with_its_sentence(self, host_client, host):
        offer = OfferFactory(message__conversation__user=host, name="no_longer_offered")
        part = host_client.post(reverse("chat:offer-confirm", kwargs={"pk": offer.pk}), headers=HTMX).content.decode()
        assert "Not done" in part
        assert "This is not offered any more." in part
