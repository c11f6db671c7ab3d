"""Conversations beyond the plan: read, kept, never gone on with until the plan has room (R-031, R-033)."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.urls import reverse

from billing import shrinking as by_plan
from billing.models import Subscription
from billing.services import set_tier
from chat import services, shrinking
from chat.models import Conversation, Message, Offer
from gpuadvisor.core import advising, clock
from gpuadvisor.core.errors import DomainError
from tests.chat.made import an_answer

pytestmark = pytest.mark.django_db
WHY = "This conversation is read-only: your plan holds 5 conversations, and others go on."


@pytest.fixture
def seven(host):
    """A host with seven conversations whose grace on the free plan is over, the oldest first."""
    set_tier(host, "individual")
    talks = [an_answer(host, "finished", text="Well.").question.conversation for _number in range(7)]
    set_tier(host, "free")
    Subscription.objects.filter(user=host).update(grace_until=clock.now() - timedelta(hours=1))
    with transaction.atomic():
        by_plan.settle(host)
    return talks


@pytest.fixture
def talk(seven):
    """The newest, which the plan has no room for."""
    seven[6].refresh_from_db()
    return seven[6]


def open_ones(host):
    rows = Conversation.objects.filter(user=host, closed_by_plan_at=None)
    return list(rows.order_by("started_at", "pk").values_list("pk", flat=True))


def page(talk):
    return reverse("chat:conversation", args=[talk.pk])


def test_the_newest_beyond_the_plan_are_closed_and_none_is_lost(host, seven):
    """R-033"""
    assert open_ones(host) == [one.pk for one in seven[:5]]
    assert Conversation.objects.filter(user=host).count() == 7


def test_it_is_read_and_says_above_the_box_why_nothing_can_be_sent(host_client, talk):
    """R-031: before sending, with the way to the plan."""
    text = host_client.get(page(talk)).content.decode()
    assert "Well." in text
    assert text.index(WHY) < text.index('id="ask-text"')
    assert reverse("billing:keep") in text
    assert reverse("billing:plan") in text
    assert "disabled" in text[text.index('id="composer-send"') :].split(">")[0]
    assert "Read-only" in text


@pytest.mark.parametrize("is_htmx", [False, True], ids=["page", "htmx"])
def test_a_question_is_refused_and_its_text_kept(host_client, talk, is_htmx):
    """R-031: the draft is kept."""
    headers = {"HX-Request": "true"} if is_htmx else {}
    before = Message.objects.count()
    answer = host_client.post(
        reverse("chat:ask-in", args=[talk.pk]), {"text": "How much did it earn?"}, headers=headers
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert WHY in text
    assert "How much did it earn?" in text
    assert Message.objects.count() == before


def test_a_conversation_that_closes_while_a_question_is_sent_takes_none(host, talk):
    Conversation.objects.filter(pk=talk.pk).update(closed_by_plan_at=None)
    stale = Conversation.objects.get(pk=talk.pk)
    shrinking.close(host, [talk.pk])
    with pytest.raises(services.ReadOnly) as refused:
        services.ask(user=host, text="And now?", conversation=stale)
    assert (refused.value.code, refused.value.user_message) == ("plan", WHY)


def test_a_new_one_is_refused_as_the_plan_is_full(host_client, seven):
    answer = host_client.post(reverse("chat:ask"), {"text": "Another?"})
    assert answer.status_code == 422
    assert "Another?" in answer.content.decode()
    assert "Your plan holds 5 of your 7 conversations: delete 3 to begin another" in answer.content.decode()
    assert Conversation.objects.count() == 7


@pytest.mark.parametrize("is_htmx", [False, True], ids=["page", "htmx"])
def test_a_second_try_is_not_offered_and_refused(host_client, host, seven, is_htmx):
    answer = an_answer(host, "failed", error="unavailable")
    talk = answer.question.conversation
    shrinking.close(host, [talk.pk])
    retry = reverse("chat:retry", args=[answer.pk])
    assert retry not in host_client.get(page(talk)).content.decode()
    refused = host_client.post(retry, headers={"HX-Request": "true"} if is_htmx else {})
    assert refused.status_code == 422
    answer.refresh_from_db()
    assert (answer.state, Message.objects.filter(conversation=talk, is_deleted=True).count()) == ("failed", 0)


def test_a_card_is_not_confirmed_and_waits(host_client, host, talk, monkeypatch):
    done = []
    offered = advising.Offered(
        "note",
        "Note",
        "Notes it.",
        lambda user, arguments: advising.Card("Note", ()),
        lambda user, arguments: done.append(user) or "Noted.",
        advising.NoArguments,
    )
    monkeypatch.setitem(advising._offers, "note", offered)
    message = Message.objects.get(conversation=talk, role="assistant")
    card = Offer.objects.create(user=host, message=message, name="note", title="Note")
    confirm = reverse("chat:offer-confirm", args=[card.pk])
    assert confirm not in host_client.get(page(talk)).content.decode()
    refused = host_client.post(confirm)
    assert (refused.status_code, refused.content.decode(), done) == (422, WHY, [])
    set_tier(host, "individual")
    assert host_client.post(confirm).status_code == 302
    assert done == [host]
    card.refresh_from_db()
    assert (card.state, card.result) == ("done", "Noted.")


def test_an_answer_on_its_way_is_finished(host, seven):
    """What was asked in time is answered."""
    answer = an_answer(host, "waiting")
    shrinking.close(host, [answer.question.conversation_id])
    answer.refresh_from_db()
    assert answer.is_running


def test_to_keep_order_stays_possible(host_client, talk):
    """Rename, pin, archive, bring back, forget, delete a message: nothing new is said."""
    assert host_client.post(reverse("chat:rename", args=[talk.pk]), {"title": "June"}).status_code == 302
    for name in ("pin", "archive", "restore"):
        assert host_client.post(reverse(f"chat:{name}", args=[talk.pk])).status_code == 302
    assert host_client.get(reverse("chat:memory", args=[talk.pk])).status_code == 200
    message = Message.objects.get(conversation=talk, role="user")
    assert host_client.post(reverse("chat:message-delete", args=[message.pk])).status_code == 302
    talk.refresh_from_db()
    assert (talk.title, talk.is_archived, talk.closed_by_plan_at is not None) == ("June", False, True)


def test_archiving_makes_no_room_and_deleting_does(host_client, host, seven):
    """R-031: archived ones count."""
    host_client.post(reverse("chat:archive", args=[seven[0].pk]))
    assert open_ones(host) == [one.pk for one in seven[:5]]
    host_client.post(reverse("chat:delete", args=[seven[0].pk]))
    assert open_ones(host) == [one.pk for one in seven[1:6]]


def test_the_host_chooses_and_a_larger_plan_opens_all(host, seven):
    by_plan.choose(host, "conversations", [seven[6].pk])
    assert open_ones(host) == [one.pk for one in (*seven[:4], seven[6])]
    set_tier(host, "individual")
    assert len(open_ones(host)) == 7
    services.ask(user=host, text="And now?", conversation=seven[5])


def test_a_stranger_learns_nothing(client, stranger, talk):
    """Promise 22"""
    client.force_login(stranger)
    assert client.get(page(talk)).status_code == 404
    assert client.post(reverse("chat:ask-in", args=[talk.pk]), {"text": "Hello"}).status_code == 404


def test_the_demo_is_refused_as_ever(host, talk):
    type(host).objects.filter(pk=host.pk).update(is_demo=True)
    Conversation.objects.filter(pk=talk.pk).update(closed_by_plan_at=None)
    card = Offer.objects.create(
        user=host, message=Message.objects.get(conversation=talk, role="assistant"), name="note", title="Note"
    )
    with pytest.raises(DomainError) as refused:
        services.confirm(Offer.objects.select_related("user").get(pk=card.pk))
    assert refused.value.code == "demo"
