"""J4: occupancy fell overnight, against the real server, a mail server and a receiver of webhooks (product.md).

And the pages of alerts as people meet them: without a script, on a phone, in the dark, with a screen reader's eyes.
"""

import re
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from playwright.sync_api import expect

from alerts import delivery
from alerts.evaluating import evaluate_shares, remind
from alerts.models import Alert, AlertDelivery, DeliveryAttempt, Episode
from gpuadvisor.core import clock
from gpuadvisor.core.models import QueuedMail
from gpuadvisor.core.partitions import ensure_months, ensure_standing_months
from portfolios.models import MetricSample
from tests.alerts.figures import sample
from tests.alerts.test_delivery import a_channel, receiver  # noqa: F401 - a fixture
from tests.browser.test_pages import faults_of, look_at
from tests.core.test_mail import postbox, smtp_settings  # noqa: F401 - fixtures
from tests.factories import (
    PASSWORD,
    AlertDeliveryFactory,
    AlertFactory,
    AlertLogFactory,
    ChannelFactory,
    EpisodeFactory,
    GPUConfigurationFactory,
    MaintenanceWindowFactory,
    PerformanceMetricFactory,
    PortfolioFactory,
    UserFactory,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def night():
    """When it was noticed: far enough back that all that follows lies in the past."""
    now = clock.now()
    began = (now - 6 * HOUR).replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    ensure_standing_months()
    ensure_months(MetricSample, began.date() - timedelta(days=1), now.date())
    return began


@pytest.fixture
def host(server, transactional_db, settings):
    settings.CACHE_KEY_PREFIX, settings.SITE_URL = "browser", server  # as the server's
    return UserFactory(email="night@example.com")


@pytest.mark.slow
def test_j4_occupancy_fell_overnight(server, host, night, receiver, postbox, page, sign_in):  # noqa: F811
    garage = PortfolioFactory(user=host, name="Garage")
    rigs = [GPUConfigurationFactory(portfolio=garage, quantity=4, custom_name=f"rig-0{n}") for n in range(1, 5)]
    for rig in rigs:
        PerformanceMetricFactory(
            gpu_configuration=rig, metric_date=night.date() - timedelta(days=1), hourly_rate="0.50"
        )

    # channels and the rule, on their pages
    sign_in(host.email, PASSWORD)
    hook = a_channel(host, "webhook", f"http://{receiver.host}/hook")
    page.goto(f"{server}/alerts/channels/new/?kind=email")
    page.fill("input[name=name]", "My mail")
    page.get_by_role("button", name="Add channel").click()
    expect(page.locator("h1")).to_have_text("My mail")
    page.goto(f"{server}/alerts/rules/new/?type=utilization_drop")
    expect(page.locator("#preview")).to_contain_text("Any of your GPUs: rented less than 60% for 2 hours.")
    page.fill("input[name=name]", "Idle at night")
    page.select_option("select[name=remind_hours]", "4")
    page.get_by_role("button", name="Add rule").click()
    page.wait_for_url("**/alerts/rules/")
    alert = Alert.objects.get(user=host)
    assert alert.channels.count() == 2

    # 1 and 2: three machines go offline; one episode, told by both channels within a minute of the evaluation
    for rig in rigs[:3]:
        sample(rig, *[None] * 8, listed=None, is_online=False, until=night)
    sample(rigs[3], *[4] * 8, until=night)
    evaluate_shares(night)
    episode = Episode.objects.get(user=host)
    assert (episode.watches.count(), episode.cause) == (3, "machine")
    delivery.deliver_due()
    [(_headers, told, _body)] = receiver.got
    [mail] = postbox.kept
    at_risk = f"{3 * 4 * 24 * 0.5 * 0.6:.2f}"
    assert told["type"] == "alert.opened"
    assert (told["episode"]["money_per_day"], told["episode"]["cause"]) == (at_risk, "machine")
    letter = message_from_bytes(mail.content, policy=policy.default)
    text = letter.get_body(("plain",)).get_content()
    assert told["url"] in text
    assert at_risk in text
    assert "and 2 more" in letter["subject"]

    # 3: another thing within 4 hours is not sent; the log says so; the next message tells of it
    sample(rigs[3], *[0] * 8, until=night + 2 * HOUR)
    evaluate_shares(night + 2 * HOUR)
    delivery.deliver_due()
    assert (len(receiver.got), len(postbox.kept)) == (1, 1)
    page.goto(f"{server}/alerts/log/?status=suppressed")
    expect(page.locator("#alert-log li")).to_have_count(1)
    expect(page.locator("#alert-log li")).to_contain_text("Told of this kind less than 4 hours ago")
    for rig in rigs[:3]:
        sample(rig, *[None] * 8, listed=None, is_online=False, until=night + 4 * HOUR)
    evaluate_shares(night + 4 * HOUR)
    remind(night + 4 * HOUR)
    delivery.deliver_due()
    assert [one["type"] for _headers, one, _body in receiver.got] == ["alert.opened", "alert.reminder"]
    assert any("rig-04" in item["title"] for item in receiver.got[-1][1]["more"]["items"])
    page.locator("#alert-log li a").click()
    page.get_by_role("link", name="Told with a later message").click()
    expect(page.locator("main")).to_contain_text("Told along with it")

    # 4: the link of the message opens the episode
    page.goto(told["url"])
    expect(page.locator("h1")).to_have_text(episode.title)
    for words in ("Your machine", f"${at_risk}", "rig-01", "rig-02", "rig-03", "Idle at night"):
        expect(page.locator("main")).to_contain_text(words)

    # 5: snoozed for 8 hours; its end is told once, all the same
    page.get_by_role("button", name="8 hours").click()
    expect(page.locator("main")).to_contain_text("snoozed until")
    for rig in rigs[:3]:
        sample(rig, *[4] * 4, until=night + 5 * HOUR)
    for _ in range(2):
        evaluate_shares(night + 5 * HOUR)
        delivery.deliver_due()
    ends = [one for _headers, one, _body in receiver.got if one["type"] == "alert.resolved"]
    assert [one["episode"]["id"] for one in ends] == [str(episode.pk)]
    page.goto(f"{server}/alerts/resolved/")
    expect(page.locator("main")).to_contain_text(episode.title)

    # 6: the receiver fails: later and later; after ten in a row the channel pauses, and the last one takes the rule off
    receiver.status = 500
    alone = AlertFactory(user=host, name="By the hook alone")
    alone.channels.add(hook)
    now = clock.now()
    for _ in range(2):
        log = AlertLogFactory(alert=alone)
        AlertDeliveryFactory(channel=hook, log=log, next_at=now)
    waits = []
    for _ in range(8):
        delivery.deliver_due()
        row = AlertDelivery.objects.filter(status="pending").first()
        waits += [row.next_at - clock.now()] if row else []
        hook.refresh_from_db()
        if hook.state == "failed":
            break
        AlertDelivery.objects.filter(status="pending").update(next_at=clock.now())
    assert waits == sorted(waits)
    assert (hook.state, hook.failures_in_row) == ("failed", 10)
    page.goto(f"{server}/alerts/rules/")
    expect(page.get_by_text("A channel of your alerts was paused after failures")).to_be_visible()
    expect(page.get_by_role("row", name="By the hook alone")).to_contain_text("It went off by itself")
    expect(page.get_by_role("row", name="Idle at night")).not_to_contain_text("It went off by itself")
    assert QueuedMail.objects.get().to == host.email


@pytest.fixture
def world(host):
    """A host with an alert in every state: open, snoozed, over; delivered, given up, held back."""
    ensure_standing_months()
    garage = PortfolioFactory(user=host, name="Garage")
    rig = GPUConfigurationFactory(portfolio=garage, custom_name="rig-01")
    rule = AlertFactory(user=host, name="Idle at night", trigger_count=3, last_triggered=clock.now())
    AlertFactory(user=host, name="Was left without a channel", is_active=False, off_reason="no_channel")
    AlertFactory(user=host, name="Worth it", alert_type="optimization_opportunity", conditions={"threshold": "20"})
    hook = ChannelFactory(user=host, name="Ops", state="failed", failures_in_row=10, last_error="Answered 500")
    rule.channels.set([hook, ChannelFactory(user=host, kind="discord", name="Rigs", failures_in_row=2)])
    thing = {"subject": str(rig.pk), "title": "rig-01", "value": "12.5", "limit": "60", "since": None}
    episode = EpisodeFactory(
        alert=rule, severity="critical", facts={"things": [thing], "more": 2}, split={"market": "-4", "me": "-9"}
    )
    EpisodeFactory(alert=rule, money_per_day=None, snoozed_until=clock.now() + HOUR, severity="info")
    EpisodeFactory(alert=rule, state="resolved", resolved_at=clock.now(), acted_at=clock.now())
    for kind in ("opened", "joined", "told"):
        episode.events.create(kind=kind, text="rig-01", at=clock.now())
    log = AlertLogFactory(alert=rule, episode=episode, delivery_status="failed")
    AlertLogFactory(
        alert=rule, episode=episode, delivery_status="suppressed", suppressed_by="throttle", folded_into=log
    )
    dead = AlertDeliveryFactory(channel=hook, log=log, status="dead", attempts=1)
    DeliveryAttempt.objects.create(
        delivery=dead, number=1, at=clock.now(), seconds=1, status_code=500, answer="no " * 100
    )
    MaintenanceWindowFactory(portfolio=garage, note="New fans")
    return {"rule": rule.pk, "channel": hook.pk, "episode": episode.pk, "log": log.pk}


PAGES = [
    *("/alerts/", "/alerts/resolved/", "/alerts/recent/", "/alerts/episodes/{episode}/"),
    *("/alerts/rules/", "/alerts/rules/new/", "/alerts/rules/new/?type=utilization_drop"),
    *("/alerts/rules/new/?type=pricing_change", "/alerts/rules/new/?type=optimization_opportunity"),
    *("/alerts/rules/{rule}/", "/alerts/rules/{rule}/delete/"),
    *("/alerts/channels/", "/alerts/channels/new/?kind=discord", "/alerts/channels/{channel}/"),
    *("/alerts/log/", "/alerts/log/{log}/", "/alerts/quiet/", "/alerts/incoming/"),
]
EMPTY = ["/alerts/", "/alerts/resolved/", "/alerts/rules/", "/alerts/channels/", "/alerts/log/", "/alerts/quiet/"]


@pytest.mark.slow
def test_the_pages_of_alerts_have_no_serious_fault(server, world, host, page, sign_in):
    sign_in(host.email, PASSWORD)
    assert [fault for path in PAGES for fault in look_at(page, server + path.format(**world))] == []


@pytest.mark.slow
def test_a_host_without_any_alert_is_shown_no_zero_and_no_fault(server, host, page, sign_in):
    sign_in(host.email, PASSWORD)
    for path in EMPTY:
        page.goto(server + path)
        assert faults_of(page) == [], path
        assert "$0.00" not in page.inner_text("main"), path


@pytest.mark.slow
def test_alerts_work_without_javascript(server, host, without_javascript):
    """Recommended rules, a preview, a rule of one's own, pause, delete, snooze: plain forms and links."""
    page = without_javascript
    page.goto(f"{server}/accounts/login/")
    page.fill("input[name=login]", host.email)
    page.fill("input[name=password]", PASSWORD)
    page.locator("main form button[type=submit]").first.click()
    page.goto(f"{server}/alerts/rules/")
    page.get_by_role("button", name=re.compile("Add these")).click()
    expect(page.get_by_role("row", name="GPUs stand idle")).to_be_visible()
    page.goto(f"{server}/alerts/rules/new/?type=utilization_drop")
    page.fill("input[name=threshold]", "40")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("rented less than 40% for 2 hours")
    page.fill("input[name=name]", "Mine")
    page.get_by_role("button", name="Add rule").click()
    row = page.get_by_role("row", name="Mine")
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("Paused")
    row.get_by_role("button", name="Delete").first.click()  # its dialog is a popover: no script opens it
    page.locator("dialog:popover-open button[type=submit]").click()
    expect(page.locator("main")).not_to_contain_text("Mine")
    episode = EpisodeFactory(alert=Alert.objects.filter(user=host).first())
    page.goto(f"{server}/alerts/episodes/{episode.pk}/")
    page.get_by_role("button", name="1 hour").click()
    page.get_by_role("button", name="I did something about it").click()
    expect(page.locator("main")).to_contain_text("You acted on it")
    episode.refresh_from_db()
    assert episode.snoozed_until > clock.now()


@pytest.mark.slow
def test_a_double_click_makes_one_and_an_ended_session_leads_to_the_sign_in(server, host, page, sign_in):
    """R-019; nothing is made twice, and nothing is lost in silence."""
    sign_in(host.email, PASSWORD)
    page.goto(f"{server}/alerts/rules/new/?type=utilization_drop")
    page.get_by_role("button", name="Add rule").dblclick()
    page.wait_for_url("**/alerts/rules/")
    assert Alert.objects.filter(user=host).count() == 1
    page.goto(f"{server}/alerts/rules/new/?type=utilization_drop")
    page.fill("input[name=name]", "Too late")
    expect(page.locator("#id_threshold_label")).to_have_text("Percent")
    page.select_option("select[name=against]", "usual")
    expect(page.locator("#id_threshold_label")).to_have_text("Points below")
    page.fill("input[name=threshold]", "7")
    expect(page.locator("#preview")).to_contain_text("7 points less")
    page.context.clear_cookies()
    page.get_by_role("button", name="Add rule").click()
    page.wait_for_url(re.compile("/accounts/login/"))
    assert Alert.objects.filter(user=host).count() == 1
    page.fill("input[name=login]", host.email)
    page.fill("input[name=password]", PASSWORD)
    page.click("main form button[type=submit] >> nth=0")
    page.wait_for_url("**/alerts/rules/new/?type=utilization_drop")
    expect(page.locator("input[name=name]")).to_have_value("Too late")
    expect(page.locator("#preview")).to_contain_text("rented 7 points less than usual")
    expect(page.locator("#id_threshold_label")).to_have_text("Points below")
    page.get_by_role("button", name="Add rule").click()
    page.wait_for_url("**/alerts/rules/")
    assert set(Alert.objects.filter(user=host).values_list("name", flat=True)) == {"Utilization drop", "Too late"}
