"""Which GPU a source means (R-015): every rule of the matching, and every spelling that was really seen."""

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from market.catalog.files import read_catalog
from market.names import Alias, Match, NameIndex, Reason, Refusal, Unknown, squash

DATA = Path(__file__).resolve().parents[3] / "shared/data/market"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data is not beside this checkout")

OURS_FOR = {"RTX PRO 6000 Workstation": "RTX PRO 6000 WS"}  # the reference's name, ours
SOURCES = {
    "vast_and_500farm": "vast",
    "runpod_id": "runpod",
    "runpod_display": "runpod",
    "gpuhunt": "gpuhunt",
    "skypilot": "skypilot",
    "lambda": "lambda",
    "prime_intellect": "prime_intellect",
}


@pytest.fixture(scope="module")
def catalog():
    return read_catalog()


@pytest.fixture(scope="module")
def index(catalog):
    return NameIndex(catalog.aliases, catalog.refusals)


@pytest.fixture(scope="module")
def small():
    return NameIndex(
        [
            Alias("shop", "Card X", 24, "X", 24),
            Alias("shop", "Card X", 48, "X 48GB", 48),
            Alias("shop", "Card Y", None, "Y", 80),
            Alias("shop", "card-z", None, "Z", 8),
            Alias("shop", "Card_Z", None, "Other Z", 16),
            Alias("500farm", "Added by staff", None, "Y", 80),
        ],
        [Refusal("shop", "Card W", None, "Names two cards")],
    )


@pytest.mark.parametrize(
    ("spelling", "vram", "gpu", "rule"),
    [
        ("Card Y", None, "Y", "exact"),
        (" Card Y ", 80, "Y", "exact"),
        ("CARD_Y", None, "Y", "squashed"),
        ("card-y", 79.6, "Y", "squashed"),
        ("Card X", 24, "X", "exact"),
        ("cardx", Decimal("47.99"), "X 48GB", "squashed"),
        ("card-z", None, "Z", "exact"),  # an exact spelling comes before a squashed one
        ("CardZ", 8, "Z", "squashed"),  # what the squashed spelling leaves open, VRAM tells
    ],
)
def test_a_spelling_is_matched_exactly_then_squashed_then_by_vram(small, spelling, vram, gpu, rule):
    """R-015"""
    assert small.resolve("shop", spelling, vram) == Match(gpu, rule)


@pytest.mark.parametrize(
    ("spelling", "vram", "reason"),
    [
        ("Card", None, Reason.NO_ALIAS),
        ("Card Y Ti", 80, Reason.NO_ALIAS),
        ("Crad Y", 80, Reason.NO_ALIAS),  # never the nearest
        ("Card X", None, Reason.VRAM_NEEDED),
        ("Card X", 0, Reason.VRAM_NEEDED),
        ("Card X", float("nan"), Reason.VRAM_NEEDED),
        ("Card X", 32, Reason.VRAM_CONTRADICTS),
        ("Card Y", 40, Reason.VRAM_CONTRADICTS),
        ("CardZ", None, Reason.AMBIGUOUS),
        ("card w", 24, Reason.REFUSED),
        ("", None, Reason.NO_NAME),
        (" _- ", None, Reason.NO_NAME),
    ],
)
def test_what_is_not_certain_is_unknown_with_its_reason(small, spelling, vram, reason):
    """R-015"""
    answer = small.resolve("shop", spelling, vram)
    assert isinstance(answer, Unknown)
    assert answer.reason == reason
    assert str(answer)


def test_another_source_does_not_lend_its_spellings(small):
    assert isinstance(small.resolve("market", "Card Y"), Unknown)


def test_500farm_speaks_as_vast_does(small, index):
    assert index.resolve("500farm", "RTX 4080S", 16) == Match("RTX 4080 SUPER", "exact")
    assert small.resolve("500farm", "added by staff") == Match("Y", "squashed")


def test_squash_drops_case_space_underscore_and_hyphen():
    assert squash(" RTX_PRO-6000\u00a0WS") == "rtxpro6000ws"


@pytest.mark.parametrize(
    ("vram", "gpu"),
    [
        (24, "RTX 4090"),
        (23.99, "RTX 4090"),
        (22.49, "RTX 4090"),
        (47.99, "RTX 4090 48GB"),
        (48, "RTX 4090 48GB"),
        (32, None),
        (96, None),
        (None, None),
    ],
)
def test_an_rtx_4090_of_48_gb_is_another_card(index, vram, gpu):
    """R-015"""
    assert getattr(index.resolve("vast", "RTX 4090", vram), "gpu", None) == gpu


@pytest.mark.parametrize(
    ("spelling", "mib", "gpu"),
    [
        ("A100 PCIE", 40960, "A100 PCIe 40GB"),
        ("A100 PCIE", 81920, "A100 PCIe 80GB"),
        ("A100 SXM4", 40960, "A100 SXM4 40GB"),
        ("A100 SXM4", 81920, "A100 SXM4 80GB"),
        ("B200", 183359, "B200"),
        ("B300", 275040, "B300"),
        ("L40S", 46068, "L40S"),
        ("RTX 3080", 12288, "RTX 3080 12GB"),
        ("RTX 3060", 8192, "RTX 3060 8GB"),
    ],
)
def test_memory_tells_boards_of_one_spelling_apart(index, spelling, mib, gpu):
    """R-015"""
    assert index.resolve("vast", spelling, Decimal(mib) / 1024) == Match(gpu, "exact")


def test_a_name_of_three_cards_is_refused(index):
    answer = index.resolve("gpu_pricing_tracker", "RTX_PRO_6000")
    assert (answer.reason, "three cards" in answer.why) == (Reason.REFUSED, True)


@pytest.mark.parametrize(
    "wrong", ["RTX 3060 Tie", "RTX 4O90", "RTX", "4090", "A10 PCIe", "A1000", "unknown", "RTX 3090 Ti SUPER", "Radeon"]
)
def test_no_source_guesses_at_a_name_nobody_knows(catalog, index, wrong):
    for source in {alias.source for alias in catalog.aliases}:
        assert isinstance(index.resolve(source, wrong, 24), Unknown)


def _rows(path):
    content = (DATA / path).read_bytes()
    text = (gzip.decompress(content) if path.endswith("gz") else content).decode()
    return list(csv.DictReader(text.splitlines()))


def _spellings(cell, memory):
    """The spellings of one cell of the reference, each with the VRAM it is said for."""
    cell = cell.replace(" + ", " ")
    for part in cell.replace(", ", " / ").split(" / "):
        spelling, _bracket, note = part.partition(" (")
        if "gpu_ram" in note:
            yield spelling, Decimal(note.split()[-1].rstrip(")")) / 1024
        elif "on vast" in note:
            yield spelling, memory
            yield note.split()[0], memory
        else:
            yield spelling, memory


@needs_data
def test_every_reference_gpu_and_spelling_resolves_or_is_refused_where_it_names_several(catalog, index):
    """R-015: 55 GPUs. A spelling that the reference itself gives to two cards of one size must not be resolved."""
    ours = {gpu.name: gpu for gpu in catalog.gpus}
    means = {}
    for row in _rows("reference/gpu_name_aliases.csv"):
        name = OURS_FOR.get(row["canonical"], row["canonical"])
        assert index.resolve("catalog", row["canonical"]).gpu == name
        for column, source in SOURCES.items():
            for spelling, vram in _spellings(row[column], Decimal(ours[name].memory_gb)) if row[column] else []:
                means.setdefault((source, squash(spelling), vram), (spelling, set()))[1].add(name)
    assert len({name for _spelling, names in means.values() for name in names}) == 55
    for (source, _squashed, vram), (spelling, names) in means.items():
        answer = index.resolve(source, spelling, vram)
        if len(names) == 1:
            assert isinstance(answer, Match), (source, spelling, vram, answer)
            assert {answer.gpu} == names
        else:
            assert isinstance(answer, Unknown), (source, spelling, vram, names, answer)


@needs_data
def test_reference_figures_are_ours(catalog):
    """R-015"""
    ours = {gpu.name: gpu for gpu in catalog.gpus}
    rows = _rows("reference/gpu_specs_seed.csv")
    assert len(rows) == 55
    for row in rows:
        gpu = ours[OURS_FOR.get(row["canonical"], row["canonical"])]
        assert gpu.memory_gb == int(row["memory_gb"])
        if row["tdp_w"]:
            assert gpu.board_power_watts == Decimal(row["tdp_w"])
        if row["cuda_cores"] and row["manufacturer"] == "NVIDIA":
            assert gpu.cuda_cores == int(row["cuda_cores"])


@needs_data
def test_every_type_of_runpod_resolves_alike_by_id_and_name_or_was_left_out_on_purpose(index):
    """R-015"""
    document = json.loads((DATA / "raw/runpod_graphql_gpuTypes.json").read_text())
    types = document["data"]["gpuTypes"]
    left_out = set()
    for kind in types:
        by_id, by_name = (index.resolve("runpod", kind[k], kind["memoryInGb"]) for k in ("id", "displayName"))
        if isinstance(by_id, Unknown):
            assert by_id.reason == by_name.reason == Reason.REFUSED
            left_out.add(kind["displayName"])
        else:
            assert by_id.gpu == by_name.gpu
    assert (len(types), left_out) == (48, {"unknown", "PRO 6000 MIG 24GB", "PRO 6000 MIG 48GB"})


@needs_data
def test_history_resolves_but_for_the_one_name_of_three_cards(catalog, index):
    """R-015, R-017"""
    rows = _rows("series/daily_prices_by_region.csv.gz")
    unknown = {
        r["gpu_model"] for r in rows if isinstance(index.resolve("gpu_pricing_tracker", r["gpu_model"]), Unknown)
    }
    assert unknown == {"RTX_PRO_6000"}
    platforms = {r["platform"] for r in rows}
    assert len(platforms) == 43
    assert {p for p in platforms if catalog.platform_slug(p) is None} == set()


@needs_data
def test_every_recorded_vast_offer_resolves_to_the_card_of_its_memory(catalog, index):
    """R-015"""
    memory = {gpu.name: gpu.memory_gb for gpu in catalog.gpus}
    for row in _rows("snapshots/vast_offers_2026-06-12.csv.gz"):
        answer = index.resolve("vast", row["gpu_model"], float(row["vram_gb"]))
        assert isinstance(answer, Match), row
        assert abs(memory[answer.gpu] - float(row["vram_gb"])) < 3.1
