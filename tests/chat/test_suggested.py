"""Questions to offer: made of today's own facts, cheap, and different for whoever has none."""

from datetime import timedelta

from chat import suggested
from gpuadvisor.core import clock
from portfolios.models import PerformanceMetric
from tests.chat.fleet import a_fleet
from tests.factories import GPUConfigurationFactory


def texts(host, limit=4):
    return [one.text for one in suggested.questions(host, limit)]


def test_the_largest_drop_comes_first(host):
    """Item 1 of the step: suggested questions made from today's own facts."""
    a_fleet(host)
    assert texts(host)[:2] == ["Why did Rack 1 earn less than last week?", "Is Rack 1 priced above the market?"]
    assert len(texts(host)) == 4


def test_a_gap_on_record_and_a_market_that_moved_are_asked_about(host):
    gpus = a_fleet(host)
    week = clock.today() - timedelta(days=7)
    PerformanceMetric.objects.filter(gpu_configuration=gpus[1], metric_date__gt=week).delete()
    found = {one.kind: one.text for one in suggested.questions(host, 8)}
    assert found["gap"] == "Which data of Rack 2 is missing?"
    assert found["market"].endswith("falling?")


def test_no_question_is_offered_twice(host):
    a_fleet(host)
    assert len(set(texts(host, 10))) == len(texts(host, 10))


def test_it_asks_as_much_for_one_gpu_as_for_many(host, django_assert_num_queries, django_assert_max_num_queries):
    """A page makes as many queries for 10 rows as for 1,000."""
    gpus = a_fleet(host)
    with django_assert_max_num_queries(8) as few:
        texts(host)
    GPUConfigurationFactory.create_batch(12, portfolio=gpus[0].portfolio, gpu_model=gpus[0].gpu_model)
    with django_assert_num_queries(len(few)):
        texts(host)
