"""What GPUs cost, and what platforms keep (R-020)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from market.models import CurrencyRate, PlatformFee
from portfolios import fleet, services
from portfolios.costs import Costs, costs_of
from portfolios.fees import Told, fee_on, fee_spans, resolve
from portfolios.models import CostProfile, FeeOverride
from tests.factories import (
    CostProfileFactory,
    FeeOverrideFactory,
    GPUConfigurationFactory,
    PlatformFactory,
    PortfolioFactory,
)

D = Decimal
DAY = date(2026, 11, 20)
NIGHT = {"days": [0, 1, 2, 3, 4, 5, 6], "from": 22, "to": 6, "price": "0.10"}


def euro(usd="1.10", age=0):
    CurrencyRate.objects.create(
        currency="EUR", day=clock.today() - timedelta(days=age), usd_per_unit=D(usd), source="ECB"
    )


def one(item) -> Costs:
    return costs_of([item])[item.pk]


class TestInheritance:
    def test_without_a_profile_nothing_is_known_and_nothing_is_zero(self, db):
        costs = one(GPUConfigurationFactory())
        assert (costs.usd_per_kwh, costs.fixed_monthly_usd, costs.purchase_price_usd) == (None, None, None)
        assert costs.overhead == 1
        assert costs.hourly_usd(DAY) == (None,) * 24

    def test_what_a_configuration_leaves_empty_it_takes_from_its_portfolio(self, db):
        gpu = GPUConfigurationFactory()
        shared = {"price_per_kwh": D("0.20"), "overhead_percentage": D(15), "purchase_price": D(1600)}
        CostProfileFactory(portfolio=gpu.portfolio, **shared, purchase_date=DAY)
        assert one(gpu).usd_per_kwh == D("0.20")
        CostProfileFactory(portfolio=gpu.portfolio, gpu_configuration=gpu, price_per_kwh=D("0.12"))
        costs = one(gpu)
        assert (costs.usd_per_kwh, costs.overhead) == (D("0.12"), D("1.15"))
        assert (costs.purchase_price_usd, costs.purchase_date) == (1600, DAY)

    def test_an_own_price_is_not_overruled_by_the_bands_of_the_portfolio(self, db):
        gpu = GPUConfigurationFactory()
        CostProfileFactory(portfolio=gpu.portfolio, tariff_bands=[NIGHT])
        CostProfileFactory(portfolio=gpu.portfolio, gpu_configuration=gpu, price_per_kwh=D("0.30"))
        assert one(gpu).flat_usd == D("0.30")

    def test_each_entry_keeps_the_currency_in_which_it_was_told(self, db):
        euro()
        gpu = GPUConfigurationFactory()
        CostProfileFactory(portfolio=gpu.portfolio, currency="EUR", price_per_kwh=D("0.30"), purchase_price=D(1000))
        own = CostProfileFactory(portfolio=gpu.portfolio, gpu_configuration=gpu, price_per_kwh=None)
        CostProfile.objects.filter(pk=own.pk).update(purchase_price=1200)
        costs = one(gpu)
        assert (costs.usd_per_kwh, costs.currency, costs.usd_rate_source) == (D("0.33"), "EUR", "ECB")
        assert costs.purchase_price_usd == 1200

    def test_a_currency_without_a_rate_is_unknown_not_free(self, db):
        gpu = GPUConfigurationFactory()
        CostProfileFactory(portfolio=gpu.portfolio, currency="EUR", fixed_monthly=D(50))
        costs = one(gpu)
        assert (costs.usd_per_kwh, costs.fixed_monthly_usd, costs.fixed_is_unknown) == (None, None, True)

    def test_an_old_rate_is_used_and_called_old(self, db):
        euro(age=30)
        gpu = GPUConfigurationFactory()
        CostProfileFactory(portfolio=gpu.portfolio, currency="EUR")
        assert one(gpu).usd_rate_is_old

    def test_fixed_costs_of_a_portfolio_are_borne_by_its_gpus_alike(self, db):
        portfolio = PortfolioFactory()
        gpus = [GPUConfigurationFactory(portfolio=portfolio, quantity=n) for n in (1, 3)]
        gone = GPUConfigurationFactory(portfolio=portfolio, quantity=4, is_active=False)
        CostProfileFactory(portfolio=portfolio, fixed_monthly=D(100))
        CostProfileFactory(portfolio=portfolio, gpu_configuration=gpus[1], fixed_monthly=D(20))
        costs = costs_of([*gpus, gone])
        assert [costs[g.pk].fixed_monthly_usd for g in gpus] == [25, 95]
        assert costs[gpus[0].pk].fixed_is_allocated
        assert costs[gone.pk].fixed_monthly_usd is None

    @pytest.mark.parametrize("number", [1, 30])
    def test_many_cost_as_many_queries_as_one(self, db, django_assert_max_num_queries, number):
        euro()
        gpus = [GPUConfigurationFactory() for _ in range(number)]
        for gpu in gpus:
            CostProfileFactory(portfolio=gpu.portfolio, currency="EUR", tariff_bands=[NIGHT], fixed_monthly=D(1))
        with django_assert_max_num_queries(5):
            costs_of(gpus)

    def test_a_profile_goes_along_when_its_gpu_moves(self, db):
        gpu = GPUConfigurationFactory()
        profile = CostProfileFactory(portfolio=gpu.portfolio, gpu_configuration=gpu)
        to = PortfolioFactory(user=gpu.portfolio.user)
        services.move_gpu(gpu=gpu, to=to)
        profile.refresh_from_db()
        assert profile.portfolio == to


class TestTariff:
    def test_the_mean_is_of_todays_hours_in_the_hosts_zone(self, db):
        gpu = GPUConfigurationFactory(portfolio__user__timezone="Europe/Berlin")
        CostProfileFactory(portfolio=gpu.portfolio, price_per_kwh=D("0.22"), tariff_bands=[NIGHT])
        costs = one(gpu)
        assert costs.zone.key == "Europe/Berlin"
        assert costs.usd_per_kwh == (8 * D("0.10") + 16 * D("0.22")) / 24
        assert costs.hourly_usd(date(2026, 1, 15))[20:24] == (D("0.22"), D("0.10"), D("0.10"), D("0.10"))

    def test_hours_without_a_price_leave_the_mean_unknown(self, db):
        gpu = GPUConfigurationFactory()
        CostProfileFactory(portfolio=gpu.portfolio, price_per_kwh=None, tariff_bands=[NIGHT])
        assert fleet.usd_per_kwh(gpu) is None
        assert not fleet.has_cost(gpu)

    def test_equal_tariffs_have_equal_keys(self):
        assert Costs(price_per_kwh=D("0.2")).tariff_key == Costs(price_per_kwh=D("0.20")).tariff_key
        assert Costs(price_per_kwh=D("0.2"), bands=(NIGHT,)).tariff_key != Costs(price_per_kwh=D("0.2")).tariff_key


class TestFees:
    @pytest.fixture
    def clore(self, db):
        platform = PlatformFactory(slug="clore", name="Clore.ai", fee_percentage=D(10))
        for order_type, fee in (("on_demand", 10), ("interruptible", "2.5")):
            PlatformFee.objects.create(
                platform=platform, order_type=order_type, fee_percentage=fee, valid_from=date(2020, 1, 1)
            )
        return platform

    def test_the_hosts_own_word_is_stronger_than_the_catalogs(self, host, clore):
        FeeOverrideFactory(user=host, platform="clore", fee_percentage=D(7), valid_from=DAY)
        spans = fee_spans(host, DAY - timedelta(days=9), DAY)
        before, on = fee_on(spans, "clore", DAY - timedelta(days=1)), fee_on(spans, "clore", DAY)
        assert (before.percentage, before.source) == (10, "catalog")
        assert (on.percentage, on.source) == (7, "yours")
        assert fee_on(spans, "clore", DAY - timedelta(days=1), "interruptible").percentage == D("2.5")

    def test_anothers_word_counts_for_nobody_else(self, host, clore):
        FeeOverrideFactory(platform="clore", fee_percentage=D(7), valid_from=DAY)
        assert fee_on(fee_spans(host, DAY, DAY), "clore", DAY).percentage == 10

    def test_without_a_schedule_the_platforms_fee_holds_and_else_nobody_knows(self, host, clore):
        PlatformFactory(slug="vast", fee_percentage=D(25))
        PlatformFactory(slug="runpod", name="RunPod", fee_percentage=None)
        spans = fee_spans(host, DAY, DAY)
        assert fee_on(spans, "vast", DAY, "reserved", "EUR").percentage == 25
        assert fee_on(spans, "runpod", DAY) is None

    def test_a_fee_taken_out_of_the_documents_is_unknown_not_the_one_before(self):
        told = [Told("x", "", "", date(2020, 1, 1), D(24)), Told("x", "", "", DAY, None)]
        spans = resolve([[], told, [Told("x", "", "", date.min, D(30))]], DAY - timedelta(days=1), DAY)
        assert [fee_on(spans, "x", day).percentage for day in (DAY - timedelta(days=1), DAY)] == [D(24), None]

    @pytest.mark.parametrize(
        ("order_type", "currency", "fee"),
        [("on_demand", "USD", 10), ("on_demand", "BTC", 25), ("interruptible", "BTC", 5), ("reserved", "USD", 20)],
    )
    def test_the_more_special_line_counts(self, order_type, currency, fee):
        told = [
            Told("x", "", "", DAY, D(20)),
            Told("x", "on_demand", "", DAY, D(10)),
            Told("x", "on_demand", "BTC", DAY, D(25)),
            Told("x", "interruptible", "", DAY, D(5)),
        ]
        assert fee_on(resolve([told], DAY, DAY), "x", DAY, order_type, currency).percentage == fee

    def test_spans_of_one_kind_share_no_day(self):
        days = [DAY - timedelta(days=n) for n in range(30)]
        told = [
            Told("x", ("", "on_demand")[n % 2], ("", "EUR")[n % 3 == 0], day, D(n % 4)) for n, day in enumerate(days)
        ]
        spans = resolve([told], days[-1], days[0])
        for day in days:
            kinds = [(s.order_type, s.currency) for s in spans if s.first <= day <= s.last]
            assert len(kinds) == len(set(kinds))

    def test_a_second_word_for_the_same_day_replaces_the_first(self, host, clore):
        for fee in (5, 6):
            services.set_fee(user=host, platform="clore", fee_percentage=D(fee), valid_from=DAY)
        assert FeeOverride.objects.get().fee_percentage == 6


@pytest.fixture
def gpu(host):
    return GPUConfigurationFactory(portfolio__user=host, portfolio__name="Garage")


def costs_url(row):
    return reverse("portfolios:gpu-costs" if hasattr(row, "gpu_model_id") else "portfolios:costs", args=[row.pk])


class TestPages:
    def test_costs_are_stored_as_typed_and_come_back(self, host_client, gpu):
        euro()
        entries = {
            "currency": "EUR",
            "price_per_kwh": "0.31",
            "timezone": "Europe/Berlin",
            "overhead_percentage": "12.5",
            "fixed_monthly": "40",
            "purchase_price": "1699",
            "purchase_date": "2026-01-31",
            "rows": "2",
            "band-0-days": ["5", "6"],
            "band-0-from": "22",
            "band-0-to": "6",
            "band-0-price": "0.19",
        }
        response = host_client.post(costs_url(gpu.portfolio), entries)
        assert response.status_code == 302
        profile = CostProfile.objects.get()
        assert profile.tariff_bands == [{"days": [5, 6], "from": 22, "to": 6, "price": "0.19"}]
        assert (profile.currency, profile.fixed_monthly, profile.timezone) == ("EUR", 40, "Europe/Berlin")
        page = host_client.get(costs_url(gpu.portfolio)).content.decode()
        for text in ("0.31", "0.19", "on average", "1 EUR = $1.1000", "Price of each hour of today"):
            assert text in page

    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ({"band-0-from": "3"}, "A band needs weekdays, both hours and a price."),
            (
                {"band-0-days": ["0"], "band-0-from": "3", "band-0-to": "3", "band-0-price": "1"},
                "It ends when it begins",
            ),
            ({"band-0-days": ["9"]}, "Select a valid choice."),
            ({"band-0-from": "25"}, "Select a valid choice."),
            ({"price_per_kwh": "abc"}, "Enter a number"),
            ({"timezone": "Mars/Crater"}, "Choose a time zone from the list."),
            ({"purchase_date": "2999-01-01"}, "A day from 1990 to today."),
            ({"purchase_date": "yesterday"}, "This is not a date."),
            ({"currency": "XXX"}, "Select a valid choice."),
            ({"currency": "EUR"}, "Select a valid choice."),
            ({"overhead_percentage": "501"}, "Enter a number"),
            ({"rows": "99999999999999999999"}, ""),
            ({"rows": "x", "price_per_kwh": "-1"}, "Enter a number"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_what_is_no_cost_is_refused_at_its_field(self, host_client, gpu, entries, message):
        response = host_client.post(costs_url(gpu), {"currency": "USD", **entries})
        if not message:
            return
        assert response.status_code == 422
        assert message in response.content.decode()
        assert not CostProfile.objects.exists()

    def test_another_row_comes_without_javascript_and_without_saving(self, host_client, gpu):
        typed = {"currency": "USD", "rows": "2", "price_per_kwh": "0.2", "add_row": "1"}
        response = host_client.post(costs_url(gpu), typed)
        assert response.status_code == 200
        page = response.content.decode()
        assert "band-2-price" in page
        assert 'value="0.2"' in page
        assert not CostProfile.objects.exists()

    def test_an_inherited_value_is_shown_as_such(self, host_client, gpu):
        CostProfileFactory(portfolio=gpu.portfolio, overhead_percentage=D(15), fixed_monthly=D(60))
        page = host_client.get(costs_url(gpu)).content.decode()
        for text in ("Empty: the portfolio&#x27;s $0.2000.", "15.0%", "On top of its share of the portfolio"):
            assert text in page

    def test_the_simple_price_field_is_of_the_profiles_currency(self, host_client, gpu):
        euro()
        CostProfileFactory(portfolio=gpu.portfolio, currency="EUR", price_per_kwh=D("0.31"))
        page = host_client.get(reverse("portfolios:edit", args=[gpu.portfolio.pk])).content.decode()
        assert "Electricity price, EUR/kWh" in page
        assert 'value="0.31"' in page

    def test_a_new_profile_has_the_currency_that_its_host_prefers(self, host, host_client):
        euro()
        host.preferences = {**host.preferences, "currency": "EUR"}
        host.save()
        host_client.post(reverse("portfolios:create"), {"name": "Garage", "price_per_kwh": "0.3"})
        assert CostProfile.objects.get().currency == "EUR"

    def test_fees_are_added_listed_and_deleted(self, host_client, host):
        vast = PlatformFactory()
        PlatformFee.objects.create(platform=vast, fee_percentage=None, valid_from=DAY, source="taken out of its pages")
        url = reverse("portfolios:fees")
        entries = {"platform": "vast", "fee_percentage": "12.5", "valid_from": "2026-10-01", "currency": "btc"}
        assert host_client.post(url, entries).status_code == 302
        fee = FeeOverride.objects.get(user=host)
        assert (fee.fee_percentage, fee.currency, fee.order_type) == (D("12.5"), "BTC", "")
        page = host_client.get(url).content.decode()
        for text in ("12.5%", "BTC", "taken out of its pages", "unknown"):
            assert text in page
        assert host_client.get(reverse("portfolios:fee-delete", args=[fee.pk])).status_code == 200
        host_client.post(reverse("portfolios:fee-delete", args=[fee.pk]))
        assert not FeeOverride.objects.exists()

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("platform", "moon", "Select a valid choice."),
            ("fee_percentage", "101", "Enter a number between 0 and 100"),
            ("valid_from", "1999-01-01", "A day from 2015"),
            ("currency", "€", "3 or 4 letters"),
            ("order_type", "free", "Select a valid choice."),
        ],
    )
    def test_what_is_no_fee_is_refused_at_its_field(self, host_client, field, value, message):
        PlatformFactory()
        entries = {"platform": "vast", "fee_percentage": "12.5", "valid_from": "2026-10-01", field: value}
        response = host_client.post(reverse("portfolios:fees"), entries)
        assert response.status_code == 422
        assert message in response.content.decode()

    def test_the_same_form_sent_twice_makes_one_fee(self, host_client):
        PlatformFactory()
        entries = {"platform": "vast", "fee_percentage": "12.5", "valid_from": "2026-10-01"}
        for _ in range(2):
            host_client.post(reverse("portfolios:fees"), entries)
        assert FeeOverride.objects.count() == 1
