"""What staff see of the chat: how answers end and what they cost, never what they say; ceilings, which they set."""

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from chat.models import Ceiling, TokenDay
from gpuadvisor.core import clock
from gpuadvisor.core.models import AuditEntry
from tests.chat.made import an_answer
from tests.factories import PASSWORD


@pytest.fixture
def staff_client(client, db):
    client.force_login(get_user_model().objects.create_superuser("staff@example.com", PASSWORD))
    return client


def test_answers_are_listed_without_their_text(staff_client, host):
    now = clock.now()
    answer = an_answer(
        host, "failed", "My secret rate", question="Secret?", error="cut", first_word_at=now, ended_at=now
    )
    for address in (
        reverse("admin:chat_answer_changelist") + "?q=example",
        reverse("admin:chat_answer_change", args=[answer.pk]),
    ):
        page = staff_client.get(address)
        assert page.status_code == 200
        assert "cut" in page.content.decode()
        assert "ecret" not in page.content.decode()


def test_days_are_listed_with_their_sums(staff_client, host, stranger):
    for user, tokens in ((host, 1_200), (stranger, 34)):
        TokenDay.objects.create(user=user, day=clock.today(), used=tokens, cost_usd=Decimal("0.01"))
    page = staff_client.get(reverse("admin:chat_tokenday_changelist")).content.decode()
    assert ">1234<" in page or ">1,234<" in page
    assert "0.020000" in page


def test_staff_set_and_lift_a_ceiling_and_the_journal_says_who(staff_client):
    data = {"tokens_a_day": "1000", "usd_a_day": "5", "note": "Trial", "user": ""}
    assert staff_client.post(reverse("admin:chat_ceiling_add"), data).status_code == 302
    again = staff_client.post(reverse("admin:chat_ceiling_add"), data)
    assert "There is one already" in again.content.decode()
    row = Ceiling.objects.get()
    staff_client.post(reverse("admin:chat_ceiling_delete", args=[row.pk]), {"post": "yes"})
    assert not Ceiling.objects.exists()
    assert list(AuditEntry.objects.order_by("at").values_list("action", flat=True)) == [
        "chat.ceiling-set",
        "chat.ceiling-lifted",
    ]
