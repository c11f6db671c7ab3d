"""J4: occupancy fell overnight, against the real server, a mail server and a receiver of webhooks (product.md).

And the pages of alerts as people meet them: without a script, on a phone, in the dark, with a screen reader's eyes.
"""

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from playwright.sync_api import expect

from alerts import delivery
from alerts.evaluating import evaluate_shares, remind
from alerts.models import Alert, AlertDelivery, Episode
from gpuadvisor.core import clock
from gpuadvisor.core.models import QueuedMail
from gpuadvisor.core.partitions import ensure_months, ensure_standing_months
from portfolios.models import MetricSample
from tests.alerts.figures import sample
from tests.alerts.test_delivery import a_channel, receiver  # noqa: F401 - a fixture
from tests.core.test_mail import postbox, smtp_settings  # noqa: F401 - fixtures
from tests.factories import (
    PASSWORD,
    AlertDeliveryFactory,
    AlertFactory,
    AlertLogFactory,
    GPUConfigurationFactory,
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
