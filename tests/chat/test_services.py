"""What hosts do to their conversations: asking within limits, trying again, stopping, deleting, deciding on cards."""

from datetime import timedelta

import pytest

from chat import answering, budget, services
from chat.models import Answer, Conversation, Message, Offer, TokenDay
from gpuadvisor.core import advising, clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7
from tests.chat.made import an_answer
from tests.factories import UserFactory


@pytest.fixture
def nudges(monkeypatch):
    """The nudges that would go to the broker."""
    sent = []
    monkeypatch.setattr(services, "nudge", lambda *args: sent.append(args))
    return sent


def ask(host, text="How am I doing?", **more):
    answer = services.ask(user=host, text=text, **more)
    Answer.objects.filter(pk=answer.pk).update(state="finished")
    return answer


def test_a_question_is_stored_with_its_empty_answer_before_anything_is_queued(
    host, nudges, django_capture_on_commit_callbacks
):
    """R-057: a message on the broker is only a hint."""
    with django_capture_on_commit_callbacks(execute=True):
        answer = services.ask(user=host, text="  How am\r\nI doing? ")
        assert nudges == []
    assert nudges == [("chat.tasks.work", str(answer.pk))]
    talk = answer.question.conversation
    assert (answer.question.content, answer.message.content) == ("How am\nI doing?", "")
    assert (answer.state, answer.advisor, answer.attempts) == ("waiting", "rules", 0)
    talk.refresh_from_db()
    assert (talk.message_count, talk.title, talk.last_message_at is not None) == (1, "How am I doing", True)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (" \n ", "Enter a question."),
        ("x" * 20_001, "A message holds up to 8,000 characters; this one has 20,001."),
        ("a\x00b", "This text contains characters that are not allowed."),
        ("pay \u202egnp", "This text contains characters that are not allowed."),
    ],
    ids=["empty", "20,001 characters", "NUL", "direction override"],
)
def test_text_that_is_none_is_refused_with_a_sentence(host, text, sentence):
    """Reliability f 70."""
    with pytest.raises(DomainError, match=sentence.replace(".", r"\.")):
        services.ask(user=host, text=text)
    assert not Conversation.objects.exists()


def test_the_longest_message_is_taken(host):
    assert ask(host, "x" * 8_000).question.content == "x" * 8_000


def test_conversation_6_of_a_free_plan_is_refused_and_archived_ones_count(host):
    """R-031."""
    for _number in range(5):
        services.archive(ask(host).question.conversation)
    with pytest.raises(services.LimitReached, match="Your plan holds 5 conversations"):
        ask(host)
    services.delete_conversation(Conversation.objects.first())
    assert ask(host)


def test_message_51_of_a_conversation_is_refused_and_deleting_one_makes_no_room(host):
    """R-031: messages are the host's own."""
    talk = ask(host).question.conversation
    Conversation.objects.filter(pk=talk.pk).update(message_count=49)
    services.delete_message(ask(host, conversation=talk).question)
    with pytest.raises(services.MessageLimit, match="50 messages"):
        ask(host, conversation=talk)
    talk.refresh_from_db()
    assert budget.room(talk).is_full
    assert Message.objects.filter(conversation=talk, role="user").count() == 2


def test_a_second_question_while_one_is_answered_is_refused(host):
    talk = services.ask(user=host, text="One").question.conversation
    with pytest.raises(services.StillAnswering, match="still answering"):
        services.ask(user=host, text="Two", conversation=talk)
    assert Message.objects.filter(role="user").count() == 1


def test_a_question_that_is_sent_twice_is_asked_once_and_a_made_up_key_reaches_nothing(host, stranger):
    key = uuid7()
    first = services.ask(user=host, text="One", once=key)
    assert services.ask(user=host, text="One", once=key) == first
    theirs = services.ask(user=stranger, text="Mine", once=key)
    assert (theirs.question.content, theirs.question_id == key) == ("Mine", False)
    first.question.refresh_from_db()
    assert first.question.content == "One"


def test_a_conversation_of_somebody_else_is_gone(host, stranger):
    theirs = ask(stranger).question.conversation
    with pytest.raises(DomainError, match="was deleted"):
        ask(host, conversation=theirs)
    assert Message.objects.filter(conversation=theirs, role="user").count() == 1


def test_asking_brings_a_conversation_back_from_the_archive(host):
    talk = ask(host).question.conversation
    services.archive(talk)
    ask(host, conversation=talk)
    talk.refresh_from_db()
    assert not talk.is_archived


def test_a_new_conversation_knows_the_wishes_of_the_newest_one(host):
    services.set_preferences(ask(host).question.conversation, ["Show prices a day", " Show  prices a day ", ""])
    items = ask(host).question.conversation.user_preferences["items"]
    assert [item["text"] for item in items] == ["Show prices a day"]


def test_wishes_keep_where_they_were_said_and_21_are_refused(host):
    talk = ask(host).question.conversation
    said = {"text": "I never rent below $0.30", "quote": "I never rent below $0.30.", "message": "m", "at": "then"}
    Conversation.objects.filter(pk=talk.pk).update(user_preferences={"items": [said], "read": "m"})
    services.set_preferences(talk, ["I never rent below $0.30", "Be short"])
    talk.refresh_from_db()
    assert talk.user_preferences["items"][0] == said
    assert talk.user_preferences["read"] == "m"
    with pytest.raises(DomainError, match="at most 20"):
        services.set_preferences(talk, [f"Wish {number}" for number in range(21)])


def test_what_why_points_at_is_kept_with_the_question(host, monkeypatch):
    monkeypatch.setitem(
        advising._subjects,
        "kpi",
        lambda user, key: advising.Subject("Net", "Why?", "kpis", {"period": "week"}) if key == "net" else None,
    )
    assert ask(host, subject=("kpi", "net")).question.metadata["subject"]["arguments"] == {"period": "week"}
    assert ask(host, subject=("kpi", "foreign")).question.metadata == {}


def test_a_failed_answer_is_tried_again_in_its_place(host):
    """Reliability e17: the question is kept; trying again is no second message."""
    answer = an_answer(host, "failed", "Half of")
    again = services.retry(answer)
    assert (again.question_id, again.state) == (answer.question_id, "waiting")
    assert Message.objects.get(pk=answer.message_id).is_deleted
    assert Conversation.objects.get().message_count == 1
    with pytest.raises(services.StillAnswering):
        services.retry(answer)
    services.stop(again)
    with pytest.raises(DomainError, match="nothing to try again"):
        services.retry(answer)


@pytest.mark.parametrize("state", ["finished", "waiting"])
def test_an_answer_that_did_not_fail_is_not_tried_again(host, state):
    with pytest.raises(DomainError):
        services.retry(an_answer(host, state))


def test_a_waiting_answer_stops_at_once_and_a_working_one_is_told(host, stranger):
    waiting, working = an_answer(host, "waiting"), an_answer(stranger, "working")
    for answer in (waiting, working):
        services.stop(answer)
        answer.refresh_from_db()
    assert (waiting.state, waiting.ended_at is not None) == ("stopped", True)
    assert (working.state, working.is_stop_asked) == ("working", True)


def test_question_answer_and_look_ups_are_deleted_together(host):
    answer = an_answer(host, "finished", "You earn $3.")
    tool = Message.objects.create(
        conversation=answer.question.conversation, role="tool", metadata={"answer": str(answer.message_id)}
    )
    services.delete_message(answer.message)
    assert not Message.objects.visible_to(host).exists()
    tool.refresh_from_db()
    assert tool.is_deleted


def test_a_question_is_not_deleted_while_it_is_answered(host):
    with pytest.raises(services.StillAnswering):
        services.delete_message(an_answer(host, "working").question)


def test_a_deleted_conversation_frees_what_its_answer_holds(host):
    now = clock.now()
    answer = an_answer(host, "working", reserved_tokens=500, reserved_on=now.date())
    TokenDay.objects.create(user=host, day=now.date(), reserved=500, used=7)
    services.delete_conversation(answer.question.conversation)
    day = TokenDay.objects.get()
    assert (day.reserved, day.used, Answer.objects.count()) == (0, 7, 0)


def test_names_pins_and_the_archive(host):
    talk = ask(host).question.conversation
    services.rename(talk, "  My   fleet ")
    services.pin(talk, is_pinned=True)
    services.archive(talk)
    talk.refresh_from_db()
    assert (talk.title, talk.is_renamed, talk.is_pinned, talk.is_archived) == ("My fleet", True, True, True)
    for title in ("", "x" * 201, "a\u202eb"):
        with pytest.raises(DomainError):
            services.rename(talk, title)


def test_conversations_are_archived_after_six_silent_months_and_restored_ones_later(host):
    """R-039."""
    long_ago = clock.now() - timedelta(days=190)
    talk, fresh = ask(host).question.conversation, ask(host).question.conversation
    Conversation.objects.filter(pk=talk.pk).update(last_message_at=long_ago)
    assert answering.archive_silent() == 1
    talk.refresh_from_db()
    fresh.refresh_from_db()
    assert (talk.is_archived, fresh.is_archived) == (True, False)
    services.restore(talk)
    assert answering.archive_silent() == 0


# -- Cards -------------------------------------------------------------------------------------------------------------


class Note(advising.Arguments):
    text: str


@pytest.fixture
def offered(monkeypatch):
    """An offer that counts how often it was performed."""
    done = []

    def perform(user, arguments):
        if arguments.text == "late":
            raise DomainError("The suggestion has expired.")
        done.append((user.pk, arguments.text))
        return f"Noted: {arguments.text}"

    offer = advising.Offered(
        "note", "Note", "Notes it.", lambda user, a: advising.Card("Note", (("Text", a.text),)), perform, Note
    )
    monkeypatch.setitem(advising._offers, "note", offer)
    return done


def a_card(host, text="$0.44", **fields):
    message = an_answer(host, "finished").message
    return Offer.objects.create(user=host, message=message, name="note", arguments={"text": text}, title="N", **fields)


def test_a_card_does_what_it_says_once(host, offered):
    """Promise: the confirmation is bound to the stored arguments."""
    card = a_card(host)
    assert services.confirm(card).result == "Noted: $0.44"
    assert services.confirm(card).state == "done"
    assert services.decline(card).state == "done"
    assert offered == [(host.pk, "$0.44")]


def test_a_card_that_a_rule_refuses_now_says_why(host, offered):
    row = services.confirm(a_card(host, "late"))
    assert (row.state, row.result) == ("failed", "The suggestion has expired.")


@pytest.mark.parametrize("change", [{"name": "gone"}, {"arguments": {"other": 1}}], ids=["no offer", "old arguments"])
def test_a_card_that_is_not_offered_any_more_says_so(host, offered, change):
    card = a_card(host)
    Offer.objects.filter(pk=card.pk).update(**change)
    assert services.confirm(card).result == "This is not offered any more."
    assert offered == []


def test_the_demo_account_decides_on_nothing(db, offered):
    demo = UserFactory(is_demo=True)
    card = a_card(demo)
    for decide in (services.confirm, services.decline):
        with pytest.raises(DomainError, match="demo account"):
            decide(card)
    assert offered == []


def test_a_declined_card_stays_declined(host, offered):
    card = a_card(host)
    assert services.decline(card).state == "declined"
    assert services.confirm(card).state == "declined"
    assert offered == []
