"""The frame and its components (ui.md 2 to 9)."""

import hashlib
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.template.loader import get_template, render_to_string
from django.test import RequestFactory
from django.utils import timezone, translation

from gpuadvisor.core import charts, notices
from gpuadvisor.core.context_processors import navigation, theme_of
from gpuadvisor.core.figures import Figure

ROOT = settings.BASE_DIR
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
ERROR_PAGES = [
    "400.html",
    "403.html",
    "403_csrf.html",
    "404.html",
    "429.html",
    "500.html",
    "503.html",
    "core/offline.html",
]


def draw(source, **context):
    return Template("{% load ui %}" + source).render(Context(context))


def series(count=3, values=None):
    days = [date(2026, 3, 1) + timedelta(days=i) for i in range(count)]
    lines = [charts.Line("Yours <b>", values or [Decimal("0.4")] * count, "mine")]
    return charts.Series(days, lines, [charts.Band("p10–p90", [0.3] * count, [0.5] * count)])


# -- Figures ---------------------------------------------------------------------------------------------------------
def figure(value, **options):
    return " ".join(render_to_string("ui/_figure.html", {"figure": value, **options}).split())


def test_a_known_figure_shows_value_unit_and_age():
    html = figure(Figure(Decimal("412.8"), "USD", timezone.now() - timedelta(minutes=12)))
    assert "$412.80" in html
    assert "12 minutes ago" in html
    assert "est." not in html


def test_an_estimate_says_so_and_how_it_was_made():
    value = Figure.estimate(Decimal(9), "USD", "power from the card's typical draw")
    assert "est." in figure(value)
    assert "typical draw" in figure(value)
    assert "typical draw" in figure(value, brief=True)


@pytest.mark.parametrize("options", [{}, {"brief": True}])
def test_an_unknown_figure_says_what_would_make_it_known_and_never_zero(options):
    html = figure(Figure.unknown("USD", "Enter an electricity price."), **options)
    assert "–" in html
    assert "unknown" in html
    assert "Enter an electricity price." in html
    assert "0" not in html


def test_no_figure_at_all_is_unknown():
    assert "–" in figure(None)


def test_a_stat_card_tells_its_change_in_words():
    html = render_to_string(
        "ui/_stat.html", {"label": "Net", "figure": Figure(Decimal(5), "USD"), "change": "up 6% on yesterday"}
    )
    assert "up 6% on yesterday" in html
    assert "$5.00" in html


def test_a_stat_card_keeps_what_a_rate_is_per_apart_and_whole():
    """ "GPU-day" is not torn in two at its hyphen; it stands small behind the number."""
    html = render_to_string("ui/_stat.html", {"label": "Rate", "figure": Figure(Decimal("11.92"), "USD/GPU-day")})
    assert '$11.92<span class="unit">/GPU-day</span>' in html


# -- Tags ------------------------------------------------------------------------------------------------------------
def test_an_icon_alone_is_hidden_and_a_named_one_is_spoken():
    assert 'aria-hidden="true"' in draw('{% icon "bell" %}')
    assert ">Alerts</span>" in draw('{% icon "bell" "Alerts" %}')


def test_every_icon_that_a_page_draws_is_in_the_sprite():
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/icons.svg").read_text()))
    text = "\n".join(path.read_text() for path in TEMPLATES)
    drawn = set(re.findall(r'{% icon "([^"]+)"', text)) | set(re.findall(r'icon="([a-z0-9-]+)"', text))
    assert drawn <= sprite


def test_a_time_is_machine_readable():
    instant = datetime(2026, 3, 12, 12, 4, tzinfo=UTC)
    assert 'datetime="2026-03-12T12:04:00+00:00"' in draw("{{ at|when }}", at=instant)
    assert draw("{{ at|ago }}", at=None) == "–"


def test_a_chart_is_an_svg_with_a_table_behind_it():
    html = draw('{% chart series "Price" "USD/GPU-h" csv_url="/x.csv" %}', series=series())
    assert html.count("<tr>") == 4
    assert "$0.4000" in html
    assert "$0.3000 – $0.5000" in html
    assert 'role="img" aria-label="Price, ' in html
    assert "/x.csv" in html
    assert "Yours <b>" not in html
    assert "Yours &lt;b&gt;" in html


def test_a_chart_gives_chart_js_one_place_for_each_row():
    html = draw('{% chart series "Price" "USD" %}', series=series(3, [1, None, 3]))
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])
    assert len(data["xs"]) == 3
    assert data["ys"][0][1] is None


def test_a_chart_has_no_decimal_comma_in_its_points():
    with translation.override("de"):
        html = draw('{% chart series "Preis" "USD/GPU-h" %}', series=series())
    assert "0,4000" in html
    numbers = re.findall(r'\s(?:[xy][12]?|d)="([^"]*)"', html)
    assert numbers
    assert not any("," in number for number in numbers)


def test_an_empty_chart_says_so():
    assert "<svg" not in (html := draw('{% chart series "Price" "USD" %}', series=charts.Series([])))
    assert "No figures" in html


def test_days_on_a_chart_are_not_moved_by_the_readers_zone():
    with timezone.override("America/Los_Angeles"):
        assert "Mar 1, 2026" in draw('{% chart series "Price" "USD" %}', series=series())


def test_a_year_of_quarter_hours_is_drawn_with_360_rows():
    count = 35_000
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * i) for i in range(count)]
    html = draw('{% chart series "Price" "USD" %}', series=charts.Series(times, [charts.Line("mine", [1.0] * count)]))
    assert html.count('<th scope="row">') == 360


# -- Forms -----------------------------------------------------------------------------------------------------------
class HostForm(forms.Form):
    name = forms.CharField(help_text="Only you see it.")
    price = forms.DecimalField(required=False)
    agree = forms.BooleanField()


def test_a_field_has_its_label_above_and_help_and_error_below_joined_to_it():
    html = str(HostForm({"name": "", "price": "x"}))
    label, control, help_text, error = (
        html.index(part)
        for part in ('<label for="id_name"', 'name="name"', 'id="id_name_helptext"', 'id="id_name_error"')
    )
    assert label < control < help_text < error
    assert 'aria-describedby="id_name_helptext id_name_error"' in html
    assert 'aria-invalid="true"' in html
    assert html.count(">optional<") == 1


def test_a_form_with_errors_begins_with_a_summary_that_leads_to_them():
    html = str(HostForm({}))
    assert html.index('role="alert"') < html.index("<label")
    assert '<a href="#id_name">' in html
    assert 'role="alert"' not in str(HostForm())


def test_a_rule_over_the_whole_form_stands_in_the_summary():
    form = HostForm({"name": "a", "agree": "on"})
    form.add_error(None, "The plan allows one portfolio.")
    assert str(form).count("The plan allows one portfolio.") == 1


# -- Pages -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ERROR_PAGES)
def test_an_error_page_needs_no_query_no_request_and_no_script(name, django_db_blocker):
    with django_db_blocker.block():
        html = get_template(name).render({"request_id": "abc123"})
    assert ("abc123" in html) is (name != "core/offline.html")
    assert "<script" not in html
    assert html.count("<h1>") == 1


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_inline(path: Path):
    """The policy allows no style attribute, no handler and no inline script."""
    text = re.sub(r"{% comment %}.*?{% endcomment %}", "", path.read_text(), flags=re.S)
    assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|hx-on|js:", text)
    assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", text)), (
        "inline script"
    )
    assert not re.search(r"<button(?![^>]*\stype=)(?![^>]*attrs\.)[^>]*>", text), "a button without type"


@pytest.mark.parametrize(
    ("cookie", "chosen", "theme"),
    [("dark", "light", "dark"), ("", "light", "light"), ("", "system", ""), ("<x>", "dark", ""), ("", None, "")],
)
def test_the_theme_comes_from_the_cookie_then_from_the_profile(cookie, chosen, theme):
    request = RequestFactory().get("/")
    request.COOKIES["theme"] = cookie
    request.user = AnonymousUser()
    if chosen:
        request.user.preferences = {"theme": chosen}
    assert theme_of(request) == theme


def test_the_navigation_marks_where_we_are():
    current = [link.url for link in navigation("/portfolios/0190/")]
    marked = [link.url for link in navigation("/portfolios/0190/") if link.is_current]
    assert len(marked) <= 1
    assert set(marked) <= set(current)


def test_an_app_registers_a_banner(monkeypatch):
    monkeypatch.setattr(notices, "_sources", [])
    notices.register(lambda request: [notices.Notice("Simulated market", level="warn")])
    html = render_to_string("ui/_notices.html", {"notices": notices.notices_for(RequestFactory().get("/"))})
    assert "Simulated market" in html
    assert "banner warn" in html


@pytest.mark.parametrize("script", ["ui.js", "chart.js"])
def test_only_ui_js_names_an_htmx_event(script):
    assert ("htmx:" in (ROOT / "static/js" / script).read_text()) is (script == "ui.js")


def test_the_files_of_others_are_what_the_readme_says():
    readme = (ROOT / "static/vendor/README.md").read_text()
    for path in (ROOT / "static/vendor").rglob("*"):
        if path.suffix in {".js", ".woff2", ".css"}:
            assert hashlib.sha256(path.read_bytes()).hexdigest() in readme, path.name
            assert b"sourceMappingURL" not in path.read_bytes()


def test_the_mail_frame_carries_its_styles_and_the_address_in_words():
    html = render_to_string("base_mail.html", {"action_url": "https://example.org/x"})
    assert "<style>" in html
    assert html.count("https://example.org/x") == 3
