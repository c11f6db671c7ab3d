"""Whom a GPU configuration is compared with, and comp sets as hosts keep them (part 8; K12, K13)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.partitions import ensure_standing_months
from market import comps
from market.comps import Criteria
from market.models import CompDay
from portfolios import comparing
from portfolios.economics import Window
from portfolios.models import CompSet, GPUConfiguration
from portfolios.selectors.compsets import comp_sets
from portfolios.services import compsets as services
from tests.factories import CompSetFactory, GPUConfigurationFactory, GPUModelFactory, PlatformFactory
from tests.market.comp_offers import offer, run


@pytest.fixture
def market(db):
    """Machines of 4 GPUs: five verified ones in Sweden and Germany, two in Japan; three small ones."""
    ensure_standing_months()
    PlatformFactory(name="Vast.ai")
    at = clock.now() - timedelta(minutes=5)
    for number in range(3):
        offer(100 + number, "0.40", at, gpus=4, rented=4, country="SE", verified=True, datacenter=False)
    for number in range(2):
        offer(200 + number, "0.50", at, gpus=4, rented=0, country="DE", verified=True, datacenter=False)
    for number in range(2):
        offer(300 + number, "0.60", at, gpus=4, rented=2, country="JP", verified=False, datacenter=True)
    for number in range(3):
        offer(400 + number, "0.30", at, gpus=1, rented=1, country="US", verified=True, datacenter=False)
    run(at)
    return at


@pytest.fixture
def gpu(host, market):
    return GPUConfigurationFactory(portfolio__user=host, quantity=4, platform_mappings={"vast": {"machine_id": "999"}})


def pick(gpu):
    item = GPUConfiguration.objects.select_related("gpu_model", "portfolio").get(pk=gpu.pk)
    return comparing.chosen([item])[gpu.pk]


def test_a_gpu_is_compared_with_machines_of_its_size(gpu):
    found = pick(gpu)
    assert found.criteria == Criteria("RTX 4090", "vast", "4-7")
    assert (found.why, found.widened, found.comp.offers) == ("automatic", (), 7)
    assert found.words == "RTX 4090 on Vast.ai, 4 to 7 GPUs"


@pytest.mark.parametrize(
    ("machine", "criteria", "offers", "widened"),
    [
        # two in Germany are too few, five in Europe are enough
        ("200", Criteria("RTX 4090", "vast", "4-7", True, False, "europe"), 5, ("region",)),
        # neither Japan, nor Asia, nor data centers, nor unverified machines have five: the size alone is left
        ("300", Criteria("RTX 4090", "vast", "4-7"), 7, ("region", "data center", "verification")),
        # of small machines there are three in all
        ("400", Criteria("RTX 4090", "vast"), 10, ("region", "data center", "verification", "size")),
    ],
    ids=["continent", "size left", "all given up"],
)
def test_a_comp_set_of_fewer_than_five_is_widened_step_by_step(gpu, machine, criteria, offers, widened):
    gpu.platform_mappings = {"vast": {"machine_id": machine}}
    gpu.save()
    found = pick(gpu)
    assert found.criteria == criteria
    assert (found.comp.offers, found.widened) == (offers, widened)
    assert all(word in found.note for word in widened)


def test_a_gpu_mapped_where_nobody_tells_machines_is_compared_on_the_leading_platform(gpu):
    PlatformFactory(slug="runpod", name="RunPod")
    gpu.platform_mappings = {"runpod": {"machine_id": "abc"}}
    gpu.save()
    found = pick(gpu)
    assert found.criteria == Criteria("RTX 4090", "vast", "4-7")
    assert found.note == "RunPod tells too few single offers to compare with."


def test_the_host_s_own_choice_comes_first_then_the_default_of_the_model(gpu, host, stranger):
    CompSetFactory(user=stranger, gpu_model=gpu.gpu_model, is_default=True)
    default = CompSetFactory(user=host, gpu_model=gpu.gpu_model, is_default=True, region="europe")
    assert (pick(gpu).why, pick(gpu).comp_set, pick(gpu).comp.offers) == ("default", default, 5)
    own = CompSetFactory(user=host, gpu_model=gpu.gpu_model, size="1-3", name="Small ones")
    services.assign_comp_set(gpu=gpu, comp_set=own)
    found = pick(gpu)
    assert (found.why, found.words, found.comp.offers) == ("own", "Small ones", 3)  # too thin, but chosen
    services.delete_comp_set(comp_set=own)
    assert pick(gpu).why == "default"


def test_as_many_queries_for_many_gpus_as_for_one(gpu, django_assert_num_queries):
    others = [GPUConfigurationFactory(portfolio=gpu.portfolio, gpu_model=gpu.gpu_model, quantity=n) for n in (1, 4, 8)]
    rows = GPUConfiguration.objects.select_related("gpu_model", "portfolio")
    comparing.chosen(list(rows))
    with django_assert_num_queries(3) as one:  # comp sets, platforms, how old the source is
        comparing.chosen(others[:1])
    with django_assert_num_queries(len(one) + 1):  # and the machine that one of them is mapped to
        comparing.chosen([gpu, *others])


def test_comparisons_hold_list_prices_of_now_and_means_of_the_window(gpu, market):
    today = market.date()
    window = Window(today - timedelta(days=1), today)
    for day, share in ((today, 60), (today - timedelta(days=1), 80), (today - timedelta(days=2), 10)):
        CompDay.objects.create(
            key="vast|RTX 4090|4-7|||",
            origin="live",
            day=day,
            offers=7,
            gpus=28,
            hours=24,
            rented_percentage=share,
            rented_price=Decimal("0.5"),
            made_at=market,
        )
    item = GPUConfiguration.objects.select_related("gpu_model", "portfolio").get(pk=gpu.pk)
    found = comparing.comparisons(comparing.chosen([item]), window, now=clock.now())[gpu.pk]
    assert (found.offers, found.rented_percentage, found.yield_rate) == (7, Decimal(70), Decimal("0.35"))
    assert found.prices == ((Decimal("0.4000"), 3), (Decimal("0.5000"), 2), (Decimal("0.6000"), 2))


def test_before_it_has_days_of_its_own_all_offers_of_the_model_stand_in(gpu, market):
    today = market.date()
    window = Window(today, today)
    CompDay.objects.create(
        key="vast|RTX 4090||||",
        origin="live",
        day=today,
        offers=1,
        gpus=1,
        hours=9,
        rented_percentage=55,
        made_at=market,
    )
    (mean,) = comparing.means_of([Criteria("RTX 4090", "vast", "4-7")], [window])[Criteria("RTX 4090", "vast", "4-7")]
    assert (mean.rented_percentage, mean.is_wide) == (Decimal(55), True)


def test_the_job_makes_days_of_all_that_anybody_is_compared_with(gpu, host):
    unused = CompSetFactory(user=host, gpu_model=gpu.gpu_model, region="asia")
    report = comparing.make_days()
    assert report.written == len(CompDay.objects.all())
    assert set(CompDay.objects.values_list("key", flat=True)) == {
        "vast|RTX 4090||||",
        "vast|RTX 4090|4-7|||",
        comparing.criteria_of(unused, "RTX 4090").key,
    }
    day = comps.comp_days([Criteria("RTX 4090", "vast", "4-7")], clock.today(), clock.today(), "live")
    assert [row.offers for row in day.values()] == [7]


# Services and pages.


def typed(gpu, **changes):
    return {
        "name": "Verified in Europe",
        "gpu_model": gpu.gpu_model.name,
        "platform": "vast",
        "size": "4-7",
        "region": "europe",
        "is_verified": "yes",
        "is_datacenter": "",
    } | changes


def test_a_host_makes_changes_and_deletes_a_comp_set(host_client, gpu):
    once = host_client.get(reverse("portfolios:compset-create")).context["form"]["once"].value()
    for _n in range(2):  # sent twice: one row
        sent = host_client.post(reverse("portfolios:compset-create"), typed(gpu, once=once, is_default="on"))
        assert sent.status_code == 302
    row = CompSet.objects.get()
    assert (row.is_verified, row.is_datacenter, row.is_default) == (True, None, True)
    page = host_client.get(reverse("portfolios:compset-list")).content.decode()
    assert "RTX 4090 on Vast.ai, 4 to 7 GPUs, verified, Europe" in page
    host_client.post(reverse("portfolios:compset-edit", args=[row.pk]), typed(gpu, is_verified="no", name="Others"))
    row.refresh_from_db()
    assert (row.name, row.is_verified, row.is_default) == ("Others", False, False)
    host_client.post(reverse("portfolios:compset-default", args=[row.pk]))
    row.refresh_from_db()
    assert row.is_default
    host_client.post(reverse("portfolios:compset-default", args=[row.pk]), {"off": "1"})
    host_client.post(reverse("portfolios:compset-delete", args=[row.pk]))
    assert not CompSet.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"gpu_model": "none of ours"}, "gpu_model"),
        ({"platform": "nowhere"}, "platform"),
        ({"size": "9"}, "size"),
        ({"region": "atlantis"}, "region"),
        ({"is_verified": "perhaps"}, "is_verified"),
    ],
    ids=["no name", "long name", "model", "platform", "size", "region", "flag"],
)
def test_what_cannot_be_is_said_at_its_field(host_client, gpu, changes, field):
    page = host_client.post(reverse("portfolios:compset-create"), typed(gpu, **changes))
    assert page.status_code == 422
    assert field in page.context["form"].errors
    assert not CompSet.objects.exists()


def test_a_name_is_taken_once_and_fifty_are_the_most(host, gpu, host_client):
    for n in range(49):
        CompSetFactory(user=host, gpu_model=gpu.gpu_model, name=f"Set {n}")
    page = host_client.post(reverse("portfolios:compset-create"), typed(gpu, name="Set 1"))
    assert page.status_code == 422
    assert "name" in page.context["form"].errors
    CompSetFactory(user=host, gpu_model=gpu.gpu_model, name="Set 50")
    page = host_client.post(reverse("portfolios:compset-create"), typed(gpu))
    assert page.status_code == 422
    assert "delete one first" in page.content.decode()
    assert CompSet.objects.count() == 50


def test_a_model_has_one_default(host, gpu):
    first = CompSetFactory(user=host, gpu_model=gpu.gpu_model, is_default=True)
    second = CompSetFactory(user=host, gpu_model=gpu.gpu_model)
    services.set_default(comp_set=second)
    first.refresh_from_db()
    assert not first.is_default


def test_a_comp_set_of_another_model_or_host_cannot_be_assigned(host, stranger, gpu, host_client):
    for other in (
        CompSetFactory(user=host, gpu_model=GPUModelFactory(name="RTX 5090", slug="rtx-5090")),
        CompSetFactory(user=stranger, gpu_model=gpu.gpu_model),
    ):
        with pytest.raises(DomainError):
            services.assign_comp_set(gpu=gpu, comp_set=other)
        sent = host_client.post(reverse("portfolios:compset-assign", args=[gpu.pk]), {"comp_set": other.pk})
        assert sent.status_code == 422
    mine = CompSetFactory(user=host, gpu_model=gpu.gpu_model)
    assert (
        host_client.post(reverse("portfolios:compset-assign", args=[gpu.pk]), {"comp_set": mine.pk}).status_code == 302
    )
    gpu.refresh_from_db()
    assert gpu.comp_set == mine


def test_while_a_comp_set_is_edited_the_offers_that_fit_are_counted(host_client, gpu):
    """By htmx, and by a plain button without JavaScript, which saves nothing."""
    count = host_client.get(reverse("portfolios:compset-count"), typed(gpu, name=""))
    assert "5 offers fit" in count.content.decode()
    thin = host_client.get(reverse("portfolios:compset-count"), typed(gpu, region="DE"))
    assert "2 offers fit: too few" in thin.content.decode()
    none = host_client.get(reverse("portfolios:compset-count"), {"gpu_model": "no such", "region": "atlantis"})
    assert none.status_code == 200
    plain = host_client.post(reverse("portfolios:compset-create"), typed(gpu, name="", count="1"))
    assert plain.status_code == 200
    assert "5 offers fit" in plain.content.decode()
    assert not CompSet.objects.exists()


def test_the_list_names_automatic_sets_with_their_gpus(gpu, host, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        found = comp_sets(host)
    (row,) = found.automatic
    assert ([item.pk for item in row.items], row.comp.offers) == ([gpu.pk], 7)


def test_a_new_comp_set_begins_with_the_traits_of_a_gpu(host_client, gpu, foreign_gpu):
    page = host_client.get(reverse("portfolios:compset-create"), {"gpu": str(gpu.pk)})
    assert page.context["form"]["size"].value() == "4-7"
    assert "7 offers fit" in page.content.decode()
    theirs = host_client.get(reverse("portfolios:compset-create"), {"gpu": str(foreign_gpu.pk)})
    assert not theirs.context["form"]["gpu_model"].value()
