"""Pages of episodes, the log and quiet times (R-041, R-044)."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alerts import messages, selectors, services
from alerts.channels import email
from alerts.channels.base import Parcel
from alerts.models import Alert, AlertLog, Channel, DeliveryAttempt, Episode, QuietHours, Watch
from alerts.triggers import record_trigger
from gpuadvisor.core import clock
from portfolios.models import MaintenanceWindow
from portfolios.signals import demo_loaded
from tests.factories import (
    AlertDeliveryFactory,
    AlertFactory,
    AlertLogFactory,
    ChannelFactory,
    EpisodeFactory,
    GPUConfigurationFactory,
    MaintenanceWindowFactory,
    PortfolioFactory,
    SuggestionFactory,
    UserFactory,
)


def page(name, row):
    return reverse(f"alerts:{name}", kwargs={"pk": row.pk})


def test_open_episodes_stand_by_money_at_risk(host_client, host):
    alert = AlertFactory(user=host)
    for title, money in (("little", 1), ("unknown", None), ("much", 90)):
        EpisodeFactory(alert=alert, title=title, money_per_day=money)
    EpisodeFactory(alert=alert, title="over", state="resolved", resolved_at=clock.now())
    EpisodeFactory(title="theirs")
    matters, more = selectors.open_episodes(host, 5)
    assert ([one.episode.title for one in matters], more) == (["much", "little", "unknown"], 0)
    text = host_client.get(reverse("alerts:index")).content.decode()
    assert "$91.00 a day at risk" in text
    assert "over" in host_client.get(reverse("alerts:resolved")).content.decode()


def test_the_money_of_a_gpu_counts_once_and_what_is_to_gain_apart(host_client, host):
    for subject, money, kind in (
        ("a", 5, "utilization_drop"),
        ("a", 9, "utilization_drop"),
        ("b", 1, "utilization_drop"),
        ("c", 4, "optimization_opportunity"),
    ):
        row = EpisodeFactory(alert__user=host, alert__alert_type=kind, money_per_day=money)
        watch = {"alert": row.alert, "episode": row, "money_per_day": money}
        Watch.objects.create(subject=subject, true_since=clock.now(), seen_at=clock.now(), **watch)
    text = host_client.get(reverse("alerts:index")).content.decode()
    assert "$10.00 a day at risk · $4.00 a day to gain" in text


def test_an_episode_of_a_suggestion_leads_to_it_on_its_page_and_in_messages(host_client, host):
    suggestion = SuggestionFactory(gpu_configuration__portfolio__user=host)
    row = EpisodeFactory(
        alert__user=host,
        alert__alert_type="optimization_opportunity",
        cause="market",
        cause_key=str(suggestion.pk),
        money_per_day=Decimal("4.47"),
        facts={"things": [{"subject": str(suggestion.pk), "title": "Lower the rate"}]},
    )
    url = reverse("portfolios:suggestion", args=[suggestion.pk])
    text = host_client.get(page("episode", row)).content.decode()
    assert "To gain" in text
    assert "At risk" not in text
    assert "Cause:" not in text
    assert f'class="btn" href="{url}"' in text
    said = messages.payload(AlertLogFactory(alert=row.alert, episode=row))
    assert said["episode"]["suggestion_url"].endswith(url)
    assert "Cause" not in said["text"]
    made = email.message(Parcel(row.pk, "email", "a@example.com", said, clock.now()))
    assert "To gain: $4.47 a day" in made.body
    assert url in made.body


def test_an_empty_page_says_whether_anybody_watches(host_client, host):
    alert = AlertFactory(user=host)
    assert "Nothing is the matter" in host_client.get(reverse("alerts:index")).content.decode()
    Alert.objects.filter(pk=alert.pk).update(is_active=False)
    assert "All your rules are paused or off." in host_client.get(reverse("alerts:index")).content.decode()


def test_what_is_open_is_paged_by_key_with_money_unknown_or_alike(host_client, host):
    alert = AlertFactory(user=host)
    for money in [*range(10), *[5] * 25, *[None] * 30]:
        EpisodeFactory(alert=alert, money_per_day=money)
    seen, after = [], ""
    while True:
        context = host_client.get(reverse("alerts:index"), {"after": after}).context
        seen += [matter.episode for matter in context["matters"]]
        if not context["next_url"]:
            break
        after = context["next_url"].partition("after=")[2]
    assert len({one.pk for one in seen}) == len(seen) == context["stakes"].number == 65
    money = [one.money_per_day if one.money_per_day is not None else -1 for one in seen]
    assert money == sorted(money, reverse=True)
    assert context["stakes"].at_risk == 45 + 5 * 25
    theirs = EpisodeFactory(money_per_day=3)
    assert len(host_client.get(reverse("alerts:index"), {"after": theirs.pk}).context["matters"]) == 25


def test_the_page_of_an_episode_tells_all_of_it(host_client, host):
    gpu = GPUConfigurationFactory(portfolio__user=host, custom_name="rig-07")
    theirs = GPUConfigurationFactory()
    things = [
        {"subject": str(one.pk), "title": title, "value": "41.2", "limit": "60", "since": "2026-11-20T12:00:00+00:00"}
        for one, title in ((gpu, "mine"), (theirs, "another's"))
    ]
    episode = EpisodeFactory(
        alert__user=host, facts={"things": things, "more": 3}, split={"market": "-4.5", "me": "-12.25"}
    )
    episode.events.create(kind="opened", text="It began.", at=clock.now())
    log = AlertLogFactory(alert=episode.alert, episode=episode, delivery_status="delivered")
    AlertDeliveryFactory(channel__user=host, channel__name="My hook", log=log, status="delivered", attempts=2)
    text = host_client.get(page("episode", episode)).content.decode()
    for word in ("41.2%", "60.0%", "and 3 more", "It began.", "My hook", "2 attempts", "Mine", "−$12.25/day", "$4.20"):
        assert word in text, word
    assert reverse("portfolios:gpu", kwargs={"pk": gpu.pk}) in text
    assert str(theirs.pk) not in text


@pytest.mark.parametrize(
    "facts", [{}, [], {"things": "x"}, {"things": [1, {}]}, {"things": [{"since": 5}], "more": "x"}]
)
def test_facts_that_nobody_foresaw_break_no_page(host_client, host, facts):
    episode = EpisodeFactory(alert__user=host, facts=facts, split=["x"])
    assert host_client.get(page("episode", episode)).status_code == 200


@pytest.mark.parametrize("hours", [1, 8])
def test_an_episode_is_snoozed_for_hours(host_client, host, hours):
    episode = EpisodeFactory(alert__user=host)
    host_client.post(page("episode-snooze", episode), {"hours": hours})
    episode.refresh_from_db()
    assert abs(episode.snoozed_until - clock.now() - timedelta(hours=hours)) < timedelta(minutes=1)
    assert episode.events.get().kind == "snoozed"
    host_client.post(page("episode-wake", episode))
    episode.refresh_from_db()
    assert episode.snoozed_until is None


def test_an_episode_is_snoozed_until_a_time_in_ones_own_zone(host_client, host):
    host.timezone = "America/New_York"
    host.save()
    episode = EpisodeFactory(alert__user=host)
    there = datetime(clock.now().year + 1, 1, 5, 9, 30)
    answer = host_client.post(page("episode-snooze", episode), {"until": f"{there:%Y-%m-%dT%H:%M}"})
    soon = clock.now() + timedelta(days=2)
    assert answer.status_code == (422 if there.replace(tzinfo=UTC) - clock.now() > timedelta(days=30) else 302)
    host_client.post(page("episode-snooze", episode), {"until": f"{soon:%Y-%m-%dT12:00}"})
    episode.refresh_from_db()
    assert episode.snoozed_until.hour in (16, 17)


@pytest.mark.parametrize("data", [{}, {"hours": "2"}, {"until": "never"}, {"until": "2020-01-01T00:00"}])
def test_no_time_to_come_is_no_snooze(host_client, host, data):
    episode = EpisodeFactory(alert__user=host)
    assert host_client.post(page("episode-snooze", episode), data).status_code == 422
    episode.refresh_from_db()
    assert episode.snoozed_until is None


@pytest.mark.parametrize(("kind", "held"), [("opened", "snooze"), ("reminder", "snooze"), ("resolved", "")])
def test_who_snoozed_an_episode_still_hears_that_it_is_over(host, kind, held):
    """J4: recovery sends one "resolved"."""
    episode = EpisodeFactory(alert__user=host, snoozed_until=clock.now() + timedelta(hours=8))
    episode.alert.channels.add(ChannelFactory(user=host))
    log = record_trigger(alert=episode.alert, reason="-", data={}, now=clock.now(), episode=episode, kind=kind)
    assert log.suppressed_by == held


def test_what_was_done_is_noted_once(host_client, host):
    episode = EpisodeFactory(alert__user=host)
    for _ in range(2):
        host_client.post(page("episode-act", episode))
    episode.refresh_from_db()
    assert (episode.acted_how, episode.events.filter(kind="acted").count()) == ("noted", 1)


@pytest.mark.parametrize(
    ("how", "words"), [("price", "You changed a rate"), ("suggestion", "You accepted a suggestion")]
)
def test_what_the_host_did_is_named(host_client, host, how, words):
    """R-044"""
    episode = EpisodeFactory(alert__user=host, acted_at=clock.now(), acted_how=how)
    assert words in host_client.get(page("episode", episode)).content.decode()


def test_the_panel_of_the_dashboard_says_what_is_open(host_client, host):
    """Joined by its address: no import."""
    assert not host_client.get(reverse("alerts:recent"), headers={"HX-Request": "true"}).content.strip()
    EpisodeFactory.create_batch(5, alert__user=host, title="rig-01: idle")
    panel = host_client.get(reverse("alerts:recent"), headers={"HX-Request": "true"}).content.decode()
    assert panel.count("rig-01: idle") == 3
    assert "2 more" in panel
    assert "<html" not in panel
    assert "<html" in host_client.get(reverse("alerts:recent")).content.decode()
    GPUConfigurationFactory(portfolio__user=host)
    assert f'hx-get="{reverse("alerts:recent")}"' in host_client.get(reverse("portfolios:dashboard")).content.decode()


def test_the_log_tells_attempts_answers_and_why_something_was_held_back(host_client, host):
    log = AlertLogFactory(alert__user=host, delivery_status="failed")
    delivery = AlertDeliveryFactory(channel__user=host, log=log, status="dead", attempts=1, last_error="Answered 500")
    DeliveryAttempt.objects.create(
        delivery=delivery, number=1, at=clock.now(), seconds=Decimal("0.3"), status_code=500, answer="<b>no</b>"
    )
    held = AlertLogFactory(
        alert=log.alert, delivery_status="suppressed", suppressed_by="throttle", folded_into=log, trigger_reason="held"
    )
    text = host_client.get(page("log-entry", log)).content.decode()
    for word in ("Answered 500", "&lt;b&gt;no&lt;/b&gt;", "Send again", "held"):
        assert word in text, word
    text = host_client.get(page("log-entry", held)).content.decode()
    assert "Told of this kind less than 4 hours ago" in text
    assert page("log-entry", log) in text


def test_the_log_is_paged_by_key_and_filtered(host_client, host):
    alert = AlertFactory(user=host)
    AlertLogFactory.create_batch(30, alert=alert)
    AlertLogFactory(alert=AlertFactory(user=host), delivery_status="failed", trigger_reason="lone")
    AlertLogFactory(trigger_reason="theirs")
    url = reverse("alerts:log")
    seen, after = [], ""
    while True:
        context = host_client.get(url, {"after": after}).context
        seen += [row.pk for row in context["rows"]]
        if not context["next_url"]:
            break
        after = context["next_url"].partition("after=")[2]
    assert len(seen) == len(set(seen)) == 31
    assert [row.trigger_reason for row in host_client.get(url, {"status": "failed"}).context["rows"]] == ["lone"]
    assert len(host_client.get(url, {"alert": str(alert.pk)}).context["rows"]) == 25
    assert (
        host_client.get(url, {"alert": str(AlertLog.objects.get(trigger_reason="theirs").alert_id)}).context["rows"]
        == []
    )


@pytest.mark.parametrize("name", ["index", "resolved", "log", "channels", "recent"])
def test_a_page_asks_as_much_for_one_row_as_for_twenty(host_client, host, name):
    def fill(number):
        for _ in range(number):
            open_one = EpisodeFactory(alert__user=host)
            over = EpisodeFactory(alert__user=host, state="resolved", resolved_at=clock.now())
            for episode in (open_one, over):
                log = AlertLogFactory(alert=episode.alert, episode=episode)
                delivery = AlertDeliveryFactory(channel__user=host, log=log)
                DeliveryAttempt.objects.create(delivery=delivery, number=1, at=clock.now(), seconds=1)

    def asked():
        with CaptureQueriesContext(connection) as queries:
            assert host_client.get(reverse(f"alerts:{name}")).status_code == 200
        return len(queries)

    fill(4)
    asked()
    few = asked()
    fill(10)
    assert asked() == few


def test_quiet_hours_are_set_changed_and_switched_off(host_client, host):
    url = reverse("alerts:quiet")
    assert host_client.post(url, {"starts": "22:00", "ends": "22:00", "passes": "critical"}).status_code == 422
    for ends in ("06:30", "07:00"):
        assert host_client.post(url, {"starts": "22:00", "ends": ends, "passes": "warning"}).status_code == 302
    hours = QuietHours.objects.get(user=host)
    assert (hours.starts, hours.ends, hours.passes) == (time(22), time(7), "warning")
    host_client.post(reverse("alerts:quiet-off"))
    assert not QuietHours.objects.exists()


def test_a_window_is_added_once_and_deleted(host_client, host):
    portfolio = PortfolioFactory(user=host)
    starts = clock.now() + timedelta(days=1)
    form = host_client.get(reverse("alerts:quiet")).context["window_form"]
    data = {
        "portfolio": str(portfolio.pk),
        "starts_at": f"{starts:%Y-%m-%dT%H:%M}",
        "ends_at": f"{starts + timedelta(hours=3):%Y-%m-%dT%H:%M}",
        "note": "New fans",
        "once": form.fields["once"].initial,
    }
    for _ in range(2):
        assert host_client.post(reverse("alerts:window-add"), data).status_code == 302
    window = MaintenanceWindow.objects.get(portfolio=portfolio)
    assert "New fans" in host_client.get(reverse("alerts:quiet")).content.decode()
    host_client.post(page("window-delete", window))
    assert not MaintenanceWindow.objects.exists()


@pytest.mark.parametrize(
    ("starts", "ends"), [(2, 1), (-5, -1), (0, 24 * 31)], ids=["ends-first", "over-already", "too-long"]
)
def test_a_window_that_is_none_gets_a_message(host_client, host, starts, ends):
    data = {
        "portfolio": str(PortfolioFactory(user=host).pk),
        "starts_at": f"{clock.now() + timedelta(hours=starts):%Y-%m-%dT%H:%M}",
        "ends_at": f"{clock.now() + timedelta(hours=ends):%Y-%m-%dT%H:%M}",
    }
    answer = host_client.post(reverse("alerts:window-add"), data)
    assert answer.status_code == 422
    assert list(answer.context["window_form"].errors) == ["ends_at"]
    assert not MaintenanceWindow.objects.exists()


def test_another_hosts_portfolio_gets_no_window(host_client):
    theirs = PortfolioFactory()
    data = {"portfolio": str(theirs.pk), "starts_at": "2099-01-01T00:00", "ends_at": "2099-01-01T02:00"}
    assert host_client.post(reverse("alerts:window-add"), data).status_code == 422
    assert MaintenanceWindowFactory(portfolio=theirs).pk
    assert "2099" not in host_client.get(reverse("alerts:quiet")).content.decode()


def test_the_demo_shows_all_and_changes_nothing(client, db):
    demo = UserFactory(is_demo=True)
    episode = EpisodeFactory(alert__user=demo)
    client.force_login(demo)
    for name in ("index", "rules", "channels", "log", "resolved", "quiet", "new"):
        assert client.get(reverse(f"alerts:{name}")).status_code == 200
    client.post(page("episode-act", episode))
    client.post(reverse("alerts:delete", kwargs={"pk": episode.alert_id}))
    assert Episode.objects.get().acted_at is None


def test_a_snooze_lasts_30_days_at_most(host):
    with pytest.raises(services.DomainError, match="30 days"):
        services.snooze(EpisodeFactory(alert__user=host), until=clock.now() + timedelta(days=31))


def test_the_demo_has_rules_and_a_channel_that_sends_nothing(db):
    """Loaded twice, it has them once."""
    demo = UserFactory(is_demo=True)
    GPUConfigurationFactory(portfolio__user=demo)
    for _ in range(2):
        demo_loaded.send(sender=None, user=demo)
    channel = Channel.objects.get(user=demo)
    assert (channel.kind, channel.state) == ("email", "paused")
    assert demo.alerts.count() == 3
    assert all(list(alert.channels.all()) == [channel] for alert in demo.alerts.all())
