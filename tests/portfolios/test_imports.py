"""Daily results from a CSV: nothing before the yes, all or nothing, a named reason for every fault (f 73-76)."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from gpuadvisor.core import clock
from portfolios import services
from portfolios.forms import ColumnsForm
from portfolios.imports import days, files, jobs, reading, service, storing
from portfolios.imports.cells import Names
from portfolios.imports.layout import FIELDS, Layout
from portfolios.ingest.days import sampled_days
from portfolios.models import MetricImport, MetricImportRow, MetricSample, PerformanceMetric
from portfolios.services.metrics import state
from portfolios.statements import read_figures
from tests.factories import GPUConfigurationFactory, MetricImportFactory, PerformanceMetricFactory, PortfolioFactory

HEAD = "date,gpu,platform,utilization,hourly_rate,daily_revenue,uptime_hours"


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.fixture
def today(db):
    return clock.today()


def url(name, **kwargs):
    return reverse(f"portfolios:{name}", kwargs=kwargs or None)


def send(client, data, name="results.csv"):
    data = data.encode() if isinstance(data, str) else data
    return client.post(url("metric-import"), {"file": SimpleUploadedFile(name, data)})


def choices(job, **told):
    """What the page of columns holds, as a browser sends it, with some of it chosen otherwise."""
    form = ColumnsForm(layout=Layout.from_json(job.settings), gpus={}, platforms=[])
    return {name: "" if (value := form[name].value()) is None else value for name in form.fields} | told


def upload(client, data, name="results.csv", **told):
    """A file sent and its columns chosen as they were found; the answer leads to the preview."""
    response = send(client, data, name)
    if response.status_code != 302:
        return response
    job = MetricImport.objects.get(pk=response.url.split("/")[-3])
    return client.post(response.url, choices(job, **told))


def job_of(response):
    return MetricImport.objects.get(pk=response.url.split("/")[-2])


def text_of(response):
    return b"".join(response.streaming_content).decode()


def csv_of(today, n=3, gpu="Rack 1"):
    lines = [f"{today - timedelta(days=i)},{gpu},vast,87.5,0.42,17.64,24" for i in range(n)]
    return "\n".join([HEAD, *lines]) + "\n"


def test_nothing_is_stored_before_the_yes_and_everything_after_it(host_client, gpu, today):
    response = upload(host_client, csv_of(today))
    assert response.status_code == 302
    page = host_client.get(response.url).content.decode()
    assert "Nothing is stored yet." in page
    assert "Store 3 results" in page
    assert not gpu.metrics.exists()
    stored = host_client.post(response.url)
    assert stored.url == response.url
    assert "Import is stored" in host_client.get(stored.url).content.decode()
    job = job_of(stored)
    assert (job.state, job.rows_new, job.rows_changed, job.rows_unchanged) == ("done", 3, 0, 0)
    metric = gpu.metrics.get(metric_date=today)
    assert (metric.utilization_percentage, metric.hourly_rate) == (Decimal("87.5"), Decimal("0.42"))
    assert (metric.daily_revenue, metric.uptime_hours) == (Decimal("17.64"), 24)
    assert metric.detailed_metrics == {"source": "csv"}


def test_the_same_file_twice_changes_nothing(host_client, gpu, today):
    """promise 27"""
    for _ in range(2):
        address = upload(host_client, csv_of(today)).url
        page = host_client.get(address)
        host_client.post(address)
    job = page.context["job"]
    assert (job.rows_new, job.rows_changed, job.rows_unchanged) == (0, 0, 3)
    assert "The same file was imported on" in page.content.decode()
    assert gpu.metrics.count() == 3


def test_a_second_yes_is_answered_and_stores_nothing(host_client, gpu, today):
    """f 81"""
    address = upload(host_client, csv_of(today)).url
    host_client.post(address)
    gpu.metrics.all().delete()
    again = host_client.post(address)
    assert again.url == address
    assert not gpu.metrics.exists()


def test_an_empty_cell_leaves_what_is_stored(host_client, gpu, today):
    PerformanceMetricFactory(gpu_configuration=gpu, metric_date=today, daily_revenue=Decimal(9), uptime_hours=20)
    address = upload(host_client, f"date,gpu,platform,revenue,uptime\n{today},Rack 1,Vast.ai,10.5,\n").url
    assert host_client.get(address).context["job"].rows_changed == 1
    host_client.post(address)
    metric = gpu.metrics.get()
    assert (metric.daily_revenue, metric.uptime_hours, metric.hourly_rate) == (Decimal("10.5"), 20, Decimal("0.4"))


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode(),
        lambda text: text.replace(",", ";").replace("0.42", "0,42").encode(),
        lambda text: ("sep=;\r\n" + text.replace(",", ";")).encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.replace(",", "|").encode(),
        lambda text: text.replace("17.64", '"$1,017.64"').encode(),
        lambda text: (
            text.replace(",", ";").replace("17.64", "1.017,64").replace("87.5", "87,5").replace("0.42", "0,42").encode()
        ),
        lambda text: text.replace("\n", "\r\n\r\n").encode(),
        lambda text: text.replace("Rack 1", '"Rack 1"').encode(),
        lambda text: text.replace("hourly_rate", "Hourly Rate").replace("utilization", "Utilization %").encode(),
    ],
)
def test_encodings_delimiters_and_line_ends_are_found_out(host_client, gpu, today, encode):
    """f 73-76"""
    address = upload(host_client, encode(csv_of(today))).url
    host_client.post(address)
    assert gpu.metrics.count() == 3
    assert gpu.metrics.get(metric_date=today).hourly_rate == Decimal("0.42")


def archive():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/workbook.xml", "0" * 5_000_000)
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The file is empty (0 bytes)."),
        (b"\xef\xbb\xbf \r\n", "The file is empty."),
        (archive(), "This is a ZIP archive or an Excel file (.xlsx)."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "This is an Excel file (.xls)."),
        (b"\x1f\x8b\x08abc", "This is a compressed file."),
        (b"%PDF-1.7", "This is a PDF file."),
        (b"\xff\xfea", "The file says it is UTF-16 and is not"),
        (HEAD.encode() + b"\n2026-11-01,caf\x81,vast,1,1,1,1\n", "Line 2 is neither UTF-8 nor Windows-1252"),
        (b"date,gpu,platform,rate,rate\n1,1,1,1,1\n", "Line 1: the column “hourly_rate” stands there twice."),
        (b",".join(b"c%d" % n for n in range(5_000)) + b"\n1\n", "the file has 5,000 columns, at most 200"),
        (HEAD.encode() + b"\n", "The file has a heading but no rows."),
        (HEAD.encode() + b'\n2026-11-01,"Rack 1,vast\n', "Line 2: a quotation mark is out of place"),
        (HEAD.encode() + b'\n1,"' + b"x" * 200_000 + b'",vast,1\n', "Line 2: a cell is longer than 131,072 characters"),
        (b'"' + b"x" * 200_000 + b'",date,gpu,platform\n', "Line 1: a cell is longer than 131,072 characters"),
        (HEAD.encode() + b"\n" + b"x" * 10_000_000, "Line 2 is longer than 1 MB"),
        (b"x" * 10_000_000, "Line 1 is longer than 64 KB"),
        (HEAD.encode() + b"\n1,Rack\x00,vast\n", "Line 2 holds bytes that no text has"),
        (f"{HEAD}\n1,Rack\x00,vast\n".encode("utf-16"), "Line 2 holds bytes that no text has"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,  # an archive holds the time it was made
)
def test_a_file_that_cannot_be_read_gets_its_reason(host_client, gpu, data, message):
    """f 73-76"""
    response = send(host_client, data)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert [path for path in files.folder().rglob("*") if path.is_file()] == []
    assert not MetricImport.objects.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("date,platform,revenue\n2026-11-01,vast,1\n", "Choose the column that names the GPU"),
        ("a,b,c\n1,2,3\n", "Choose the column that holds the day."),
        ("date,gpu,platform\n2026-11-01,Rack 1,vast\n", "Choose a column for at least one figure."),
        ("hello\nworld\n", "Choose the column that holds the day."),
    ],
)
def test_a_column_that_is_missing_is_asked_for(host_client, gpu, data, message):
    """f 76"""
    response = upload(host_client, data)
    assert response.status_code == 422
    assert message in response.content.decode()


def test_a_file_above_the_limit_is_refused_by_its_size(host_client, gpu, settings):
    settings.MAX_IMPORT_BYTES = 3 * 1024 * 1024
    just_above = send(host_client, HEAD.encode() + b"\n" + b"x" * 3 * 1024 * 1024)
    far_above = send(host_client, b"x" * 5 * 1024 * 1024)
    assert (just_above.status_code, far_above.status_code) == (422, 413)
    assert far_above.content.decode() == "At most 3 MB."
    assert [path for path in files.folder().rglob("*") if path.is_file()] == []


def test_columns_of_any_name_and_a_file_without_gpu_or_platform(host_client, gpu, today):
    data = f"when;what we got;Lohn\n{today:%d.%m.%Y};12,50;x\n"
    address = upload(
        host_client, data, fixed_gpu=str(gpu.pk), fixed_platform="vast", daily_revenue="1", fee="after", decimal=","
    ).url
    host_client.post(address)
    metric = gpu.metrics.get()
    assert (metric.daily_revenue, metric.is_after_fee, metric.platform) == (Decimal("12.50"), True, "vast")


def test_columns_are_known_by_what_stands_in_them(host_client, gpu, today):
    send(host_client, f"x,y,z,revenue\nvast,{today},rack 1,3\n")
    assert MetricImport.objects.get().settings["columns"] == {"daily_revenue": 3, "date": 1, "gpu": 2, "platform": 0}


@pytest.mark.parametrize(
    ("days", "found"),
    [
        (["2026-11-01"], "ymd"),
        (["1.11.2026"], "d.m.y"),
        (["01/11/2026", "13/11/2026"], "d/m/y"),
        (["11/01/2026", "11/13/2026"], "m/d/y"),
        (["01/11/2026"] * 3_000 + ["13/11/2026"], "d/m/y"),
        (["01/11/2026", "02/11/2026"], ""),
    ],
    ids=["iso", "dots", "day first", "month first", "by the last of many", "both ways"],
)
def test_the_way_dates_are_written_is_decided_by_the_whole_column(host_client, gpu, days, found):
    send(host_client, "date,gpu,platform,revenue\n" + "".join(f"{day},Rack 1,vast,1\n" for day in days))
    assert MetricImport.objects.get().settings["dates"] == found


def test_dates_that_can_be_read_in_two_ways_are_asked_for(host_client, gpu, today):
    data = f"date,gpu,platform,revenue\n{today.replace(day=1):%m/%d/%Y},Rack 1,vast,1\n"
    refused = upload(host_client, data)
    assert refused.status_code == 422
    assert "These dates can be read in two ways: choose one." in refused.content.decode()
    host_client.post(upload(host_client, data, dates="m/d/y").url)
    assert gpu.metrics.get().metric_date == today.replace(day=1)


def test_the_last_resort_is_told_and_another_encoding_can_be_chosen(host_client, portfolio, gpu, today):
    GPUConfigurationFactory(portfolio=portfolio, gpu_model=gpu.gpu_model, custom_name="Café")
    response = send(host_client, f"date,gpu,platform,revenue\n{today},Café,vast,1\n".encode("cp1252"))
    page = host_client.get(response.url)
    assert "it is read as Windows-1252" in page.content.decode()
    job = MetricImport.objects.get()
    again = host_client.post(response.url, choices(job, encoding="utf-16-le"))
    assert again.status_code in (200, 422)
    host_client.post(response.url, choices(job, encoding="cp1252"))
    job.refresh_from_db()
    job.settings["encoding"] = "cp1252"
    address = upload(host_client, f"date,gpu,platform,revenue\n{today},Café,vast,1\n".encode("cp1252")).url
    assert job_of(host_client.post(address)).rows_new == 1


def test_money_of_another_currency_is_converted_with_the_rate_of_its_day(host_client, gpu, today):
    from market.models import CurrencyRate

    CurrencyRate.objects.create(currency="EUR", day=today, usd_per_unit=Decimal("1.1"), source="test")
    data = f"date,gpu,platform,revenue\n{today},Rack 1,vast,10\n{today - timedelta(days=1)},Rack 1,vast,10\n"
    address = upload(host_client, data, file_currency="eur").url
    (refusal, _text), *_none = host_client.get(address).context["refusals"]
    assert refusal.reason == f"No rate of EUR is known for {today - timedelta(days=1)}."
    host_client.post(address, {"good_rows": "yes"})
    metric = gpu.metrics.get()
    assert (metric.daily_revenue, metric.currency) == (Decimal(11), "EUR")
    assert metric.detailed_metrics["rate_date"] == today.isoformat()
    again = upload(host_client, data, file_currency="eur").url
    assert host_client.get(again).context["job"].rows_unchanged == 1


def test_no_file_at_all_is_a_message(host_client, gpu):
    response = host_client.post(url("metric-import"))
    assert response.status_code == 422
    assert "No file was submitted" in response.content.decode() or "required" in response.content.decode()


@pytest.mark.parametrize("name", ["../../x.csv", "..\\..\\x.csv", "/etc/passwd", "a" * 250 + ".csv", "x\u202evsc.exe"])
def test_the_file_keeps_none_of_the_name_it_came_with(host_client, gpu, today, name, tmp_path, host):
    """f 76"""
    assert send(host_client, csv_of(today), name=name).status_code == 302
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.parent == tmp_path / "imports" / host.pk.hex
    assert oct(file.parent.stat().st_mode)[-3:] == "700"
    job = MetricImport.objects.get()
    assert file.stem == job.pk.hex
    assert len(job.name) <= 201
    assert not set(job.name) & set("/\\\u202e")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{today},Rack 9,vast,1,1,1,1", "“Rack 9” is none of your GPUs."),
        ("{today},{foreign},vast,1,1,1,1", "is none of your GPUs."),
        ("{today},Rack 1,mars,1,1,1,1", "“mars” is no known platform: vast."),
        ("{today},Rack 1,vast,100.01,1,1,1", "utilization_percentage is a number from 0 to 100"),
        ("{today},Rack 1,vast,-0.01,1,1,1", "utilization_percentage is a number from 0 to 100"),
        ("{today},Rack 1,vast,NaN,1,1,1", "utilization_percentage is a number"),
        ("{today},Rack 1,vast,1e1,1,1,1", "utilization_percentage is a number"),
        ("{today},Rack 1,vast,1,10000.1,1,1", "hourly_rate is a number from 0 to 10,000 with up to 4 decimals"),
        ("{today},Rack 1,vast,1,0.00001,1,1", "hourly_rate is a number from 0 to 10,000 with up to 4 decimals"),
        ("{today},Rack 1,vast,1,1_0,1,1", "hourly_rate is a number"),
        ("{today},Rack 1,vast,1,１,1,1", "hourly_rate is a number"),
        ("{today},Rack 1,vast,1,1,1.005,1", "daily_revenue is a number"),
        ("{today},Rack 1,vast,1,1,1,25", "uptime_hours is a whole number from 0 to 24."),
        ("{today},Rack 1,vast,1,1,1,1.5", "uptime_hours is a whole number from 0 to 24."),
        ("2026-02-30,Rack 1,vast,1,1,1,1", "“2026-02-30” is not a date like"),
        ("20261101,Rack 1,vast,1,1,1,1", "is not a date like"),
        ("24.11.2026,Rack 1,vast,1,1,1,1", "is not a date like"),
        ("2001-01-01,Rack 1,vast,1,1,1,1", "2001-01-01 is not a day from"),
        ("{tomorrow},Rack 1,vast,1,1,1,1", "(today, UTC)"),
        ("{today},Rack 1,vast,,,,", "The row gives no figure."),
        ("{today},Rack 1,vast,1,1,1", "The row has 6 cells, the heading 7."),
        ("{today},Rack 1,vast,1,1,1,1,1", "The row has 8 cells, the heading 7."),
        ("{today},,vast,1,1,1,1", "“” is none of your GPUs."),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_blocks_the_import(host_client, gpu, foreign_gpu, today, row, reason):
    """f 23-30, 53, 76"""
    bad = row.format(today=today, tomorrow=today + timedelta(days=1), foreign=foreign_gpu.pk)
    good = f"{today - timedelta(days=5)},Rack 1,vast,1,1,1,1"
    address = upload(host_client, f"{HEAD}\n{good}\n\n{bad}\n").url
    ((refusal, _text),) = host_client.get(address).context["refusals"]
    assert refusal.line == 4
    assert reason in refusal.reason
    blocked = host_client.post(address)
    assert blocked.status_code == 422
    assert "Nothing was stored: rows are refused." in blocked.content.decode()
    assert not PerformanceMetric.objects.exists()
    assert host_client.post(address, {"good_rows": "yes"}).status_code == 302
    assert gpu.metrics.count() == 1


def test_one_bad_row_in_ten_thousand_is_found_and_nothing_is_stored(host_client, portfolio, gpu, today):
    """f 76"""
    gpus = [gpu, *GPUConfigurationFactory.create_batch(19, portfolio=portfolio, gpu_model=gpu.gpu_model)]
    lines = [f"{today - timedelta(days=n // 20)},{gpus[n % 20].pk},vast,50,0.4,9.6,24" for n in range(10_000)]
    lines[7_776] = lines[7_776].replace(",50,", ",150,")
    address = upload(host_client, "\n".join([HEAD, *lines])).url
    assert "The file is being read" in host_client.get(address).content.decode()
    jobs.work()
    context = host_client.get(address).context
    assert [refusal.line for refusal, _text in context["refusals"]] == [7_778]
    assert context["job"].rows_new == 9_999
    assert host_client.post(address).status_code == 422
    assert not PerformanceMetric.objects.exists()
    host_client.post(address, {"good_rows": "yes"})
    assert not PerformanceMetric.objects.exists()
    jobs.work()
    assert PerformanceMetric.objects.count() == 9_999


def test_the_progress_page_asks_for_its_part_until_the_work_is_done(host_client, gpu, today, monkeypatch):
    monkeypatch.setattr(service, "AT_ONCE_BYTES", 0)
    address = upload(host_client, csv_of(today)).url
    part = host_client.get(f"{address}?part=1", headers={"HX-Request": "true"})
    assert b"<html" not in part.content
    assert b"every 2s" in part.content
    jobs.work()
    assert host_client.get(f"{address}?part=1", headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_every_refused_row_can_be_read_and_downloaded_and_runs_no_formula(host_client, gpu, today):
    rows = [f"{today},=cmd|'/c calc'!A{n},vast,1,1,1,1" for n in range(250)]
    address = upload(host_client, "\n".join([HEAD, *rows])).url
    lines, page = [], address
    while page:
        context = host_client.get(page).context
        lines += [row.line for row, _text in context["refusals"]]
        page = context["next_url"]
    assert lines == list(range(2, 252))
    token = address.rstrip("/").rpartition("/")[2]
    sheet = text_of(host_client.get(url("metric-import-refused", token=token)))
    assert sheet.count("none of your GPUs") == 250
    good = upload(host_client, f"{HEAD}\n=1+1,Rack 1,vast,1,1,1,1\n").url.rstrip("/").rpartition("/")[2]
    assert "'=1+1" in text_of(host_client.get(url("metric-import-refused", token=good)))


def test_a_name_that_two_gpus_have_is_refused_and_the_own_name_goes_before_the_model(portfolio, gpu):
    other = GPUConfigurationFactory(portfolio=portfolio, gpu_model=gpu.gpu_model, custom_name="")
    names = Names(
        [(gpu.pk, "Rack 1", "RTX 4090"), (other.pk, "", "RTX 4090"), (uuid4(), "", "L40S")], [("vast", "Vast.ai")]
    )
    with pytest.raises(ValueError, match="names 2 of your GPUs"):
        names.gpu("rtx 4090")
    assert names.gpu("RACK  1") == gpu.pk
    assert names.gpu(str(other.pk)) == other.pk
    own = Names([(gpu.pk, "L40S", "RTX 4090"), (other.pk, "", "L40S")], [])
    assert own.gpu("l40s") == gpu.pk


def test_a_day_that_stands_twice_in_the_file_is_refused_the_second_time(host_client, gpu, today):
    address = upload(host_client, csv_of(today) + f"{today},Rack 1,Vast.ai,1,1,1,1\n").url
    ((refusal, _text),) = host_client.get(address).context["refusals"]
    assert (refusal.line, refusal.reason) == (5, "Line 2 has this GPU, platform and day already.")


@pytest.mark.parametrize("how", ["gpu", "portfolio"])
def test_a_gpu_gone_after_the_preview_stores_nothing_at_all(host_client, portfolio, gpu, today, how):
    other = GPUConfigurationFactory(portfolio__user=portfolio.user, gpu_model=gpu.gpu_model, custom_name="Rack 2")
    address = upload(host_client, csv_of(today) + csv_of(today, gpu="Rack 2").partition("\n")[2]).url
    if how == "gpu":
        services.remove_gpu(gpu=other)
    else:
        services.archive_portfolio(portfolio=other.portfolio)
    host_client.post(address)
    assert "Nothing was stored: 1 GPU of this file was removed or its portfolio archived" in (
        host_client.get(address).content.decode()
    )
    assert not PerformanceMetric.objects.exists()


def test_a_failure_in_the_middle_stores_nothing(host_client, gpu, today, monkeypatch):
    monkeypatch.setattr(storing.estimates, "refresh", lambda pks: 1 / 0)
    host_client.raise_request_exception = False
    address = upload(host_client, csv_of(today)).url
    assert host_client.post(address).status_code == 500
    assert not PerformanceMetric.objects.exists()


def test_undo_gives_back_what_stood_there_and_leaves_what_was_changed_since(host_client, gpu, today):
    """reliability 76: as one."""
    yesterday = today - timedelta(days=1)
    before = PerformanceMetricFactory(gpu_configuration=gpu, metric_date=today, daily_revenue=Decimal(9))
    address = upload(host_client, csv_of(today)).url
    host_client.post(address)
    services.record_metric(gpu=gpu, platform="vast", day=yesterday, figures={"uptime_hours": 3})
    assert gpu.metrics.get(metric_date=today).daily_revenue == Decimal("17.64")
    host_client.post(url("metric-import-undo", token=job_of(host_client.post(address)).pk))
    page = host_client.get(address)
    assert "Import is undone" in page.content.decode()
    ((kept, text),) = page.context["refusals"]
    assert (kept.line, kept.reason) == (3, "This day was changed after the import.")
    assert yesterday.isoformat() in text
    days = {metric.metric_date: metric for metric in gpu.metrics.all()}
    assert set(days) == {today, yesterday}
    restored = days[today]
    assert (restored.daily_revenue, restored.updated_at) == (Decimal(9), before.updated_at)
    assert host_client.post(url("metric-import-undo", token=kept.batch_id)).status_code == 302
    assert gpu.metrics.count() == 2


def test_two_imports_of_the_same_days_are_undone_one_after_the_other(host_client, gpu, today):
    first = upload(host_client, csv_of(today)).url
    host_client.post(first)
    second = upload(host_client, csv_of(today).replace("17.64", "18.00")).url
    host_client.post(second)
    for address, left in ((second, 3), (first, 0)):
        host_client.post(url("metric-import-undo", token=address.rstrip("/").rpartition("/")[2]))
        assert gpu.metrics.count() == left
        assert not gpu.metrics.filter(daily_revenue=18).exists()


def test_an_import_that_waits_or_is_old_cannot_be_undone(host_client, gpu, today):
    address = upload(host_client, csv_of(today)).url
    token = address.rstrip("/").rpartition("/")[2]
    assert host_client.post(url("metric-import-undo", token=token)).status_code == 422
    host_client.post(address)
    MetricImport.objects.update(finished_at=clock.now() - timedelta(days=31))
    assert host_client.post(url("metric-import-undo", token=token)).status_code == 422
    assert gpu.metrics.count() == 3


def test_samples_speak_before_a_file_and_the_file_is_kept_as_stated(host_client, gpu, today):
    yesterday = today - timedelta(days=1)
    start = datetime.combine(yesterday, datetime.min.time(), UTC)
    MetricSample.objects.bulk_create(
        MetricSample(
            gpu_configuration=gpu, platform="vast", sampled_at=start + timedelta(minutes=15 * n), listed_gpus=2,
            rented_gpus=1, source="api",
        )
        for n in range(96)
    )  # fmt: skip
    days_of = {(gpu.pk, "vast", yesterday)}
    key = next(iter(days_of))
    metric, _outcome = state(None, {}, "samples", key=key, quantity=2, samples=sampled_days(days_of)[key])
    metric.detailed_metrics["source"] = "samples"
    metric.save(force_insert=True)
    address = upload(host_client, csv_of(today)).url
    job = host_client.get(address).context["job"]
    assert (job.rows_new, job.rows_changed) == (2, 1)
    host_client.post(address)
    settled = gpu.metrics.get(metric_date=yesterday)
    assert settled.utilization_percentage == 50
    assert settled.detailed_metrics["stated"]["utilization_percentage"] == "87.50"
    assert settled.detailed_metrics["conflicts"] == ["utilization_percentage"]
    again = upload(host_client, csv_of(today)).url
    assert host_client.get(again).context["job"].rows_unchanged == 3


ROWS = [
    {"utilization_percentage": "50.00", "daily_revenue": "10.00", "is_after_fee": False, "currency": "USD"},
    {"daily_revenue": "10.00", "gpu_revenue": "8.00", "bonus_revenue": "1.00"},
    {"daily_revenue": "12.00"},
    {"hourly_rate": "0.4200", "uptime_hours": 7, "currency": "EUR", "usd_rate": "1.1", "rate_date": "2026-11-01"},
    {"energy_kwh": "3.000", "order_type": "reserved"},
    {"uptime_hours": 0},
]


@pytest.mark.parametrize("told", ROWS, ids=str)
@pytest.mark.parametrize("stored", [None, *ROWS], ids=str)
def test_statements_in_sql_come_to_what_the_page_makes_of_them(gpu, today, stored, told):
    key = (gpu.pk, "vast", today)
    if stored:
        metric, _outcome = state(None, dict(stored) | read_figures(stored), "csv", key=key, quantity=gpu.quantity)
        metric.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "create temp table lines as select 1 as line, %s::uuid as gpu_configuration_id, 'vast' as platform,"
            " %s::date as metric_date, %s::jsonb as figures, '' as outcome",
            [gpu.pk, today, json.dumps(told)],
        )
        days.settle(cursor, "lines")
        cursor.execute(f"select outcome, {', '.join(days.DAY_COLUMNS)} from import_days")
        outcome, *columns = cursor.fetchone()
        cursor.execute("drop table lines")
    present = gpu.metrics.first()
    expected, words = state(present, dict(told) | read_figures(told), "csv", key=key, quantity=gpu.quantity)
    ours = dict(zip(days.DAY_COLUMNS, columns, strict=True))
    details = json.loads(ours.pop("detailed_metrics"))
    assert ours == {name: getattr(expected, name) for name in ours}
    for found in (details, expected.detailed_metrics):
        if found.get("currency") == "USD":
            found.pop("currency")
    if "currency" not in told or told["currency"] != "USD":
        assert details == expected.detailed_metrics
    assert outcome == words or (outcome, told.get("currency")) == ("unchanged", "USD")


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["preview", "columns", "refused", "discard", "undo"])
def test_a_strangers_file_is_a_404_as_a_random_id_is(host_client, gpu, stranger, name, method):
    """promise 22"""
    job = MetricImportFactory(user=stranger)
    answers = [getattr(host_client, method)(url(f"metric-import-{name}", token=t)) for t in (job.pk, uuid4())]
    expected = {("refused", "post"): 405, ("discard", "get"): 405, ("undo", "get"): 405}.get((name, method), 404)
    assert [answer.status_code for answer in answers] == [expected] * 2


def test_what_nobody_says_yes_to_is_gone_after_a_day_and_undo_after_thirty(host_client, host, gpu, today):
    done = upload(host_client, csv_of(today)).url
    host_client.post(done)
    upload(host_client, csv_of(today).replace("24", "23"))
    assert jobs.purge() == 0
    MetricImport.objects.update(created_at=clock.now() - timedelta(days=2))
    assert jobs.purge() == 1
    assert sorted(MetricImport.objects.values_list("state", flat=True)) == ["discarded", "done"]
    assert set(MetricImportRow.objects.values_list("batch_id", flat=True)) == {job_of(host_client.post(done)).pk}
    MetricImport.objects.update(finished_at=clock.now() - timedelta(days=31))
    jobs.purge()
    assert not MetricImportRow.objects.exists()


def test_few_files_of_a_host_wait(host_client, gpu, today, host, monkeypatch):
    monkeypatch.setattr(service, "MOST_WAITING", 2)
    for _ in range(4):
        send(host_client, csv_of(today))
    assert len(list((files.folder() / host.pk.hex).iterdir())) == 2
    assert MetricImport.objects.filter(state="discarded").count() == 2


def test_the_example_file_can_be_imported_as_it_is(host_client, gpu):
    data = host_client.get(url("metric-import-example"))
    assert data.headers["Content-Disposition"] == 'attachment; filename="daily-results.csv"'
    address = upload(host_client, text_of(data)).url
    assert host_client.get(address).context["job"].rows_new == 1


def test_the_examples_revenue_is_that_of_all_gpus_of_the_entry(host, host_client):
    GPUConfigurationFactory(portfolio__user=host, quantity=4, custom_name="rig")
    (row,) = csv.DictReader(text_of(host_client.get(url("metric-import-example"))).splitlines())
    rented = Decimal(row["utilization"]) / 100 * 24 * 4
    assert Decimal(row["daily_revenue"]) == (rented * Decimal(row["hourly_rate"])).quantize(Decimal("0.01"))


def test_a_discarded_file_is_gone(host_client, gpu, today):
    address = upload(host_client, csv_of(today)).url
    token = address.rstrip("/").rpartition("/")[2]
    assert host_client.post(url("metric-import-discard", token=token)).status_code == 302
    assert "File was thrown away" in host_client.get(address).content.decode()
    host_client.post(address)
    assert not PerformanceMetric.objects.exists()
    assert [path for path in files.folder().rglob("*") if path.is_file()] == []


def test_the_list_of_imports_costs_the_same_for_one_and_for_many(
    host_client, host, gpu, today, django_assert_max_num_queries
):
    MetricImportFactory.create_batch(60, user=host, rows_new=1)
    with django_assert_max_num_queries(60):
        page = host_client.get(url("metric-imports"))
    assert len(page.context["imports"]) == 25
    rest = host_client.get(page.context["next_url"])
    assert len(rest.context["imports"]) == 25


def test_the_old_address_leads_on(host_client):
    assert host_client.get("/portfolios/import/").url == url("metric-import")


def test_every_field_can_be_chosen(host_client, gpu, today):
    send(host_client, csv_of(today))
    form = host_client.get(url("metric-import-columns", token=MetricImport.objects.get().pk)).context["form"]
    assert set(FIELDS) <= set(form.fields)


def test_a_file_sent_without_the_forms_token_or_beside_another_leaves_nothing(host, host_client, gpu, today):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(host)
    assert send(strict, csv_of(today)).status_code == 403
    two = [SimpleUploadedFile("a.csv", csv_of(today).encode()), SimpleUploadedFile("b.csv", csv_of(today).encode())]
    assert host_client.post(url("metric-import"), {"file": two}).status_code == 302
    assert len([path for path in files.folder().rglob("*") if path.is_file()]) == 1


def test_a_plan_is_in_no_file(host, host_client, gpu):
    """J6: a planned portfolio counts toward nothing, so its GPUs make no name ambiguous."""
    plan = PortfolioFactory(user=host, state="planned", is_active=False)
    GPUConfigurationFactory(portfolio=plan, gpu_model=gpu.gpu_model, custom_name=gpu.custom_name)
    assert reading.names_of(host.pk).gpu(gpu.custom_name) == gpu.pk
    text = b"".join(host_client.get(reverse("portfolios:metric-import-example"))).decode()
    assert text.count("\n") == 2
    assert f",{gpu.custom_name}," in text


def test_the_example_writes_ids_where_names_do_not_tell(host, host_client, gpu):
    twin = GPUConfigurationFactory(portfolio=gpu.portfolio, gpu_model=gpu.gpu_model, custom_name=gpu.custom_name)
    text = b"".join(host_client.get(reverse("portfolios:metric-import-example"))).decode()
    assert f",{gpu.pk}," in text
    assert f",{twin.pk}," in text
