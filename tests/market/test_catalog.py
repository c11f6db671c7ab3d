"""The catalog's files and the command that loads them (R-015)."""

import csv
import re
import shutil
import time
from datetime import date
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils.text import slugify

from market.catalog import services
from market.catalog.files import FOLDER, CatalogError, read_catalog
from market.models import GPUAlias, GPUModel, Platform, UnknownGPUName
from market.names import Match, Reason
from tests.factories import NOON

FILES = ("gpus.csv", "aliases.csv", "refused.csv", "platforms.csv", "platform_fees.csv", "currency_rates.csv")


@pytest.fixture(scope="module")
def catalog():
    return read_catalog()


@pytest.fixture
def folder(tmp_path):
    """A copy of the catalog's files that a test may spoil."""
    for name in FILES:
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path


def edit(folder, name, old, new):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


def load(**options):
    out = StringIO()
    call_command("load_gpu_catalog", stdout=out, **options)
    return out.getvalue()


def table(model):
    return sorted(map(repr, model.objects.values_list()))


# --- the files


def test_the_catalog_holds_at_least_a_hundred_real_models(catalog):
    """R-015"""
    assert len(catalog.gpus) >= 110
    assert {gpu.manufacturer for gpu in catalog.gpus} == {"NVIDIA", "AMD", "Intel"}
    for name in ("RTX 4090", "RTX 4090 48GB", "RTX 3060", "RTX 3060 8GB", "A100 SXM4 40GB", "A100 SXM4 80GB", "GH200"):
        assert name in {gpu.name for gpu in catalog.gpus}


def test_every_figure_is_plausible(catalog):
    """R-015"""
    for gpu in catalog.gpus:
        specs = gpu.specifications
        assert 2 <= gpu.memory_gb <= 288, gpu
        assert 25 <= gpu.board_power_watts <= 1400, gpu
        assert 3 <= specs["idle_watts"] <= 200, gpu
        assert specs["idle_watts"] <= gpu.board_power_watts / 3, gpu
        assert specs["memory_type"]
        assert specs["figures_source"]
        assert gpu.cuda_cores is None or gpu.manufacturer == "NVIDIA"
        if gpu.manufacturer == "NVIDIA" and gpu.name not in ("GB200", "GB300"):
            assert 500 < gpu.cuda_cores < 30_000, gpu
        if "released" in specs:
            assert date(2014, 1, 1) <= date.fromisoformat(specs["released"]) <= date(2026, 11, 24), gpu


def test_a_price_has_its_date_and_says_that_it_is_an_estimate(catalog):
    """R-015"""
    priced = [gpu for gpu in catalog.gpus if gpu.market_price_usd is not None]
    assert len(priced) > 150
    for gpu in priced:
        assert 30 <= gpu.market_price_usd <= 60_000
        assert date.fromisoformat(gpu.specifications["price_as_of"])
        assert gpu.specifications["price_basis"] in ("used", "new")
        assert gpu.specifications["price_quality"] == "estimated"


def test_names_make_addresses_as_django_would(catalog):
    slugs = [gpu.slug for gpu in catalog.gpus]
    assert len(set(slugs)) == len(slugs)
    assert slugs == [slugify(gpu.name) for gpu in catalog.gpus]


def test_every_hostable_platform_has_an_identifier_and_a_checked_date(catalog):
    """R-014"""
    platforms = {p.slug: p for p in catalog.platforms}
    assert {"vast", "runpod", "lambda", "salad", "clore", "akash", "prime-intellect", "tensordock"} <= set(platforms)
    for platform in platforms.values():
        if platform.status in ("active", "legacy"):
            assert platform.mapping_schema, platform.slug
            assert platform.fee_rules, platform.slug
        if platform.open_to_new_hosts:
            assert platform.status == "active"
        assert platform.checked_date
    assert (platforms["vast"].fee_percentage, platforms["runpod"].fee_percentage) == (Decimal(25), None)


@pytest.mark.parametrize(
    ("slug", "good", "bad"),
    [
        ("vast", "38941", ["0", "-1", "1.5", "abc", "", "12345678901", "１２"]),
        ("runpod", "8z5qh1w0l2kd", ["a b", "short", "", "x" * 25, "a/../b12"]),
        ("lambda", "gpu_8x_h100_sxm5", ["gpu_0x_a10", "a10", "gpu_1x_", ""]),
    ],
)
def test_an_identifier_of_a_platform_is_told_from_nonsense(catalog, slug, good, bad):
    """R-014"""
    pattern = next(p.mapping_schema["pattern"] for p in catalog.platforms if p.slug == slug)
    assert re.fullmatch(pattern, good)
    assert [text for text in bad if re.fullmatch(pattern, text)] == []


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("gpus.csv", ",Pascal,2,640,,75,", ",Pascal,two,640,,75,", "gpus.csv line 2: memory_gb “two” is not a number."),
        ("gpus.csv", ",Pascal,2,640,,75,", ",Pascal,1_0,640,,75,", "line 2: memory_gb “1_0” is not a number."),
        ("gpus.csv", ",Pascal,2,640,,75,", ",Pascal,2.5,640,,75,", "line 2: memory_gb “2.5” is not a whole number."),
        ("gpus.csv", ",Pascal,2,640,,75,", ",Pascal,0,640,,75,", "line 2: memory_gb 0 lies outside 1 to 10000."),
        ("gpus.csv", ",Pascal,2,640,,75,", ",Pascal,2,640,,NaN,", "line 2: board_power_watts “NaN” is not a number."),
        ("gpus.csv", ",Pascal,2,640,,75,", ",Pascal,2,640,,,", "line 2: board_power_watts is empty."),
        ("gpus.csv", ",Pascal,2,640,,75,", ",Pascal,2,640,,4,", "idle_watts 5 is not below board_power_watts 4."),
        ("gpus.csv", "2016-10-25,45,2026-11-24", "2016-10-25,45,", "line 2: a price needs price_as_of"),
        ("gpus.csv", "2016-10-25,45", "25.10.2016,45", "line 2: released “25.10.2016” is not a date"),
        ("gpus.csv", "GTX 1050,NVIDIA", "GTX 1050,NVIDIA,x", "gpus.csv line 2: 20 cells instead of 19."),
        ("gpus.csv", "GTX 1050 Ti,", "gtx-1050,", "“gtx-1050” and “GTX 1050” share the address gtx-1050."),
        ("gpus.csv", "name,manufacturer", "model,manufacturer", "gpus.csv line 1: the columns are not name,"),
        ("aliases.csv", ",RTX 4090\n", ",RTX 4O90\n", "gpu “RTX 4O90” is not in gpus.csv."),
        (
            "aliases.csv",
            "vast,H200,,H200 SXM\n",
            "vast,H200,,H200 SXM\nvast,h-200,,B200\n",
            "already stands for H200 SXM.",
        ),
        (
            "refused.csv",
            "vast,Tesla P100,",
            "vast,H200,",
            "refused.csv line 12: vast “H200” stands in aliases.csv too.",
        ),
        ("platforms.csv", ",active,yes,", ",open,yes,", "line 2: status “open” is none of active, legacy"),
        ("platforms.csv", ",active,yes,", ",active,true,", "line 2: open_to_new_hosts “true” is none of yes, no."),
        ("platforms.csv", ",38941,", ",x38941,", "line 2: mapping_example “x38941” does not fit its pattern."),
        ("platforms.csv", "[1-9][0-9]{0,9}", "[1-9", "line 2: mapping_pattern is not a regular expression"),
        ("platforms.csv", ",runpod.io,", ",vast.ai,", "platforms.csv line 3: “vast.ai” already stands for vast."),
    ],
)
def test_a_wrong_line_is_named_with_its_number(folder, name, old, new, message):
    """R-015"""
    edit(folder, name, old, new)
    with pytest.raises(CatalogError) as caught:
        read_catalog(folder)
    assert message in str(caught.value)


def test_all_wrong_lines_are_told_at_once_up_to_twenty(folder):
    lines = (folder / "gpus.csv").read_text().splitlines()
    (folder / "gpus.csv").write_text("\n".join([lines[0], *("," * 18 for _ in range(10))]))
    with pytest.raises(CatalogError) as caught:
        read_catalog(folder)
    assert str(caught.value).count("\n") == 20
    assert str(caught.value).endswith("more")


def test_a_missing_or_binary_file_is_one_clear_line(folder):
    (folder / "refused.csv").unlink()
    (folder / "platforms.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogError) as caught:
        read_catalog(folder)
    assert caught.value.errors == [f"refused.csv is missing from {folder}.", "platforms.csv is not UTF-8."]


# --- the load


@pytest.mark.django_db
def test_a_second_load_changes_nothing_and_says_so(catalog):
    """R-015"""
    first = load()
    assert f"GPU models: {len(catalog.gpus)} new, 0 changed, 0 unchanged" in first
    before = [table(model) for model in (GPUModel, GPUAlias, Platform)]
    second = load()
    assert f"GPU models: 0 new, 0 changed, {len(catalog.gpus)} unchanged" in second
    assert f"Spellings:  0 new, 0 changed, {len(catalog.aliases)} unchanged" in second
    assert "Nothing changed" in second
    assert load(verbosity=0) == ""
    assert [table(model) for model in (GPUModel, GPUAlias, Platform)] == before


@pytest.mark.django_db
def test_a_load_takes_few_statements_and_no_more_than_a_second(catalog, django_assert_max_num_queries):
    services.load_catalog(catalog)
    started = time.perf_counter()
    with django_assert_max_num_queries(20):
        services.load_catalog(catalog)
    assert time.perf_counter() - started < 1


@pytest.mark.django_db
def test_what_is_loaded_reads_back(catalog):
    """R-015"""
    services.load_catalog(catalog)
    card = GPUModel.objects.get(slug="rtx-4090-48gb")
    assert (card.name, card.memory_gb, card.base_power_consumption) == ("RTX 4090 48GB", 48, Decimal(450))
    assert (card.idle_watts, card.price_date) == (Decimal(28), date(2026, 11, 24))
    assert GPUModel.objects.get(name="MI300X").cuda_cores is None
    assert Platform.objects.get(slug="vast").mapping_schema["key"] == "machine_id"
    assert services.name_index().resolve("500farm", "RTX 4090", 47.99) == Match("RTX 4090 48GB", "exact")


@pytest.mark.django_db
def test_the_files_lead_and_what_staff_added_stays(catalog):
    """R-015"""
    services.load_catalog(catalog)
    GPUModel.objects.filter(name="RTX 4090").update(base_power_consumption=1, memory_gb=1)
    mine = GPUModel.objects.create(
        name="RTX 9999", slug="rtx-9999", manufacturer="NVIDIA", memory_gb=64, base_power_consumption=700
    )
    GPUAlias.objects.create(source="vast", spelling="RTX 9999", gpu_model=mine)
    GPUAlias.objects.filter(source="vast", spelling="H200").update(gpu_model=mine)
    loaded = services.load_catalog(catalog)
    assert (loaded.gpus.changed, loaded.aliases.changed) == (1, 1)
    assert GPUModel.objects.get(name="RTX 4090").memory_gb == 24
    index = services.name_index()
    assert index.resolve("vast", "RTX 9999", 64) == Match("RTX 9999", "exact")
    assert index.resolve("vast", "H200", 141) == Match("H200 SXM", "exact")


@pytest.mark.django_db
def test_a_price_or_platform_that_staff_checked_later_stays(catalog):
    services.load_catalog(catalog)
    card = GPUModel.objects.get(name="RTX 4090")
    card.market_price_estimate = Decimal("1999")
    card.specifications |= {"price_as_of": "2027-02-01", "idle_watts": 1}
    card.save()
    Platform.objects.filter(slug="vast").update(fee_percentage=20, checked_date=date(2027, 1, 1))
    Platform.objects.filter(slug="clore").update(fee_percentage=99)  # undated: the file leads
    services.load_catalog(catalog)
    card.refresh_from_db()
    assert (card.market_price_estimate, card.price_date, card.idle_watts) == (1999, date(2027, 2, 1), 22)
    assert Platform.objects.get(slug="vast").fee_percentage == 20
    assert Platform.objects.get(slug="clore").fee_percentage == 10


@pytest.mark.django_db
def test_a_refused_spelling_is_withdrawn_and_a_known_one_leaves_quarantine(catalog):
    """R-015"""
    services.load_catalog(catalog)
    card = GPUModel.objects.get(name="RTX PRO 6000 WS")
    GPUAlias.objects.create(source="gpu_pricing_tracker", spelling="RTX_PRO_6000", gpu_model=card)
    for spelling in ("RTX 4090", "RTX 4O90"):
        UnknownGPUName.objects.create(
            source="500farm", spelling=spelling, vram_gb=24, first_seen_at=NOON, last_seen_at=NOON
        )
    loaded = services.load_catalog(catalog)
    assert (loaded.aliases.removed, loaded.names_now_known) == (1, 1)
    assert list(UnknownGPUName.objects.values_list("spelling", flat=True)) == ["RTX 4O90"]
    assert services.name_index().resolve("gpu_pricing_tracker", "RTX_PRO_6000").reason == Reason.REFUSED


@pytest.mark.django_db
def test_a_wrong_file_loads_nothing_and_ends_without_a_traceback(folder):
    edit(folder, "platforms.csv", ",active,yes,", ",open,yes,")
    with pytest.raises(CommandError, match=r"not loaded.\nplatforms.csv line 2: status"):
        load(folder=folder)
    assert not GPUModel.objects.exists()


@pytest.mark.django_db
def test_an_address_that_another_model_holds_is_told_and_nothing_is_loaded(catalog):
    GPUModel.objects.create(
        name="My 4090", slug="rtx-4090", manufacturer="NVIDIA", memory_gb=24, base_power_consumption=450
    )
    with pytest.raises(CatalogError, match=r"“RTX 4090” needs the address rtx-4090, which “My 4090” has"):
        services.load_catalog(catalog)
    assert GPUModel.objects.count() == 1


@pytest.mark.django_db
def test_check_reads_the_files_and_leaves_the_database_alone():
    assert "The files are sound" in load(check=True)
    assert not GPUModel.objects.exists()


def test_the_files_are_plain_csv_that_any_tool_reads():
    for name in FILES:
        with (FOLDER / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert len({len(row) for row in rows}) == 1
