"""Daily results from a CSV: nothing before the yes, all or nothing, a named reason for every fault (f 73-76)."""

import io
import os
import time
import zipfile
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from gpuadvisor.core import clock
from portfolios import importing, services, uploads
from portfolios.models import PerformanceMetric
from tests.factories import GPUConfigurationFactory, PerformanceMetricFactory

HEAD = "date,gpu,platform,utilization,hourly_rate,daily_revenue,uptime_hours"


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.fixture
def today(db):
    return clock.today()


def url(name, **kwargs):
    return reverse(f"portfolios:{name}", kwargs=kwargs or None)


def upload(client, data, name="results.csv"):
    data = data.encode() if isinstance(data, str) else data
    return client.post(url("metric-import"), {"file": SimpleUploadedFile(name, data)})


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
    assert stored.url == url("list")
    assert "3 daily results stored, 0 were there already." in host_client.get(stored.url).content.decode()
    metric = gpu.metrics.get(metric_date=today)
    assert (metric.utilization_percentage, metric.hourly_rate) == (Decimal("87.5"), Decimal("0.42"))
    assert (metric.daily_revenue, metric.uptime_hours) == (Decimal("17.64"), 24)
    assert not list(uploads.folder().rglob("*.csv"))


def test_the_same_file_twice_changes_nothing(host_client, gpu, today):
    """promise 27"""
    for _ in range(2):
        address = upload(host_client, csv_of(today)).url
        context = host_client.get(address).context
        host_client.post(address)
    assert context["preview"].counts == {"new": 0, "changed": 0, "unchanged": 3}
    assert gpu.metrics.count() == 3


def test_a_second_yes_is_answered_and_stores_nothing(host_client, gpu, today):
    """f 81"""
    address = upload(host_client, csv_of(today)).url
    host_client.post(address)
    gpu.metrics.all().delete()
    again = host_client.post(address)
    assert again.url == url("list")
    assert not gpu.metrics.exists()


def test_an_empty_cell_leaves_what_is_stored(host_client, gpu, today):
    PerformanceMetricFactory(gpu_configuration=gpu, metric_date=today, daily_revenue=Decimal(9), uptime_hours=20)
    address = upload(host_client, f"date,gpu,platform,revenue,uptime\n{today},Rack 1,Vast.ai,10.5,\n").url
    assert host_client.get(address).context["preview"].counts["changed"] == 1
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
        (b"x" * (10 * 1024 * 1024 + 1), "The file is larger than 10 MB: split it."),
        (b"\xff\xfea", "The file says it is UTF-16 and is not"),
        ("date,gpu\n".encode("utf-16-le"), "holds bytes that no text has"),
        (HEAD.encode() + b"\n2026-11-01,caf\xe9,vast,1,1,1,1\n", "Line 2 is not UTF-8"),
        (b"date,platform,revenue\n", "Line 1: the column “gpu” is missing."),
        (b"a,b,c\n1,2,3\n", "Line 1: the column “date” is missing. The heading reads: a, b, c."),
        (b"date,gpu,platform\n", "none of the columns utilization"),
        (b"date,gpu,platform,rate,rate\n", "Line 1: the column “hourly_rate” stands there twice."),
        (HEAD.encode() + b"\n", "The file has a heading but no rows."),
        (HEAD.encode() + b'\n2026-11-01,"Rack 1,vast\n', "Line 2: a quotation mark is out of place"),
        (HEAD.encode() + b'\n1,"' + b"x" * 200_000 + b'",vast,1\n', "Line 2: a cell is longer than 131,072 characters"),
        (b'"' + b"x" * 200_000 + b'",date,gpu,platform\n', "Line 1: a cell is longer than 131,072 characters"),
        (HEAD.encode() + b"\n1,Rack\x00,vast\n", "Line 2 holds bytes that no text has"),
        (f"{HEAD}\n1,Rack\x00,vast\n".encode("utf-16"), "Line 2 holds bytes that no text has"),
        (b"hello", "Line 1: the column “date” is missing."),
    ],
)
def test_a_file_that_cannot_be_read_gets_its_reason(host_client, gpu, data, message):
    """f 73-76"""
    response = upload(host_client, data)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert not list(uploads.folder().rglob("*.csv"))


def test_no_file_at_all_is_a_message(host_client, gpu):
    response = host_client.post(url("metric-import"))
    assert response.status_code == 422
    assert "No file was submitted" in response.content.decode() or "required" in response.content.decode()


@pytest.mark.parametrize("name", ["../../x.csv", "..\\..\\x.csv", "/etc/passwd", "a" * 250 + ".csv", "x\u202evsc.exe"])
def test_the_file_keeps_none_of_the_name_it_came_with(host_client, gpu, today, name, tmp_path, host):
    """f 76"""
    response = upload(host_client, csv_of(today), name=name)
    assert response.status_code == 302
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.parent == tmp_path / "imports" / host.pk.hex
    assert len(file.stem) == 32


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
        ("01.11.2026,Rack 1,vast,1,1,1,1", "is not a date like"),
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
    (refusal,) = host_client.get(address).context["refusals"]
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
    started = time.monotonic()
    address = upload(host_client, "\n".join([HEAD, *lines])).url
    context = host_client.get(address).context
    print(f"10,000 rows: upload and preview {time.monotonic() - started:.2f} s")  # noqa: T201
    assert [refusal.line for refusal in context["refusals"]] == [7_778]
    assert context["preview"].counts["new"] == 9_999
    assert host_client.post(address).status_code == 422
    assert not PerformanceMetric.objects.exists()
    started = time.monotonic()
    host_client.post(address, {"good_rows": "yes"})
    print(f"10,000 rows: stored {time.monotonic() - started:.2f} s")  # noqa: T201
    assert PerformanceMetric.objects.count() == 9_999


def test_every_refused_row_can_be_downloaded_and_runs_no_formula(host_client, gpu, today):
    rows = [f"{today},=cmd|'/c calc'!A{n},vast,1,1,1,1" for n in range(600)]
    address = upload(host_client, "\n".join([HEAD, *rows])).url
    page = host_client.get(address).content.decode()
    assert "The first 500 of 600" in page
    token = address.rstrip("/").rpartition("/")[2]
    sheet = host_client.get(url("metric-import-refused", token=token)).content.decode()
    assert sheet.count("none of your GPUs") == 600
    good = upload(host_client, f"{HEAD}\n=1+1,Rack 1,vast,1,1,1,1\n").url.rstrip("/").rpartition("/")[2]
    assert "'=1+1" in host_client.get(url("metric-import-refused", token=good)).content.decode()


def test_a_name_that_two_gpus_have_is_refused_and_the_own_name_goes_before_the_model(
    host_client, portfolio, gpu, today
):
    other = GPUConfigurationFactory(portfolio=portfolio, gpu_model=gpu.gpu_model, custom_name="")
    names = importing.Names(
        [(gpu.pk, "Rack 1", "RTX 4090"), (other.pk, "", "RTX 4090"), (uuid4(), "", "L40S")], [("vast", "Vast.ai")]
    )
    with pytest.raises(ValueError, match="names 2 of your GPUs"):
        names.gpu("rtx 4090")
    assert names.gpu("RACK  1")[0] == gpu.pk
    assert names.gpu(str(other.pk))[0] == other.pk
    own = importing.Names([(gpu.pk, "L40S", "RTX 4090"), (other.pk, "", "L40S")], [])
    assert own.gpu("l40s")[0] == gpu.pk


def test_a_day_that_stands_twice_in_the_file_is_refused_the_second_time(host_client, gpu, today):
    address = upload(host_client, csv_of(today) + f"{today},Rack 1,Vast.ai,1,1,1,1\n").url
    (refusal,) = host_client.get(address).context["refusals"]
    assert (refusal.line, refusal.reason) == (5, "Line 2 has this GPU, platform and day already.")


def test_more_rows_than_one_file_may_have_are_refused(host_client, gpu, today, monkeypatch):
    monkeypatch.setattr(importing, "MAX_ROWS", 2)
    assert "more than 2 rows" in upload(host_client, csv_of(today)).content.decode()


def test_a_gpu_removed_after_the_preview_stores_nothing_at_all(host_client, portfolio, gpu, today):
    other = GPUConfigurationFactory(portfolio=portfolio, gpu_model=gpu.gpu_model, custom_name="Rack 2")
    address = upload(host_client, csv_of(today) + csv_of(today, gpu="Rack 2").partition("\n")[2]).url
    services.remove_gpu(gpu=other)
    assert host_client.post(address).status_code == 422
    assert not PerformanceMetric.objects.exists()


def test_a_failure_in_the_middle_stores_nothing(host_client, gpu, today, monkeypatch):
    from portfolios.services import metrics

    monkeypatch.setattr(metrics, "BATCH", 1)
    monkeypatch.setattr(metrics.estimates, "refresh", lambda pks: 1 / 0)
    host_client.raise_request_exception = False
    address = upload(host_client, csv_of(today)).url
    assert host_client.post(address).status_code == 500
    assert not PerformanceMetric.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["preview", "refused", "discard"])
def test_a_strangers_file_is_a_404_as_a_random_id_is(host_client, gpu, stranger, client, today, name, method):
    """promise 22"""
    token = uploads.keep(stranger, SimpleUploadedFile("a.csv", csv_of(today).encode()))
    answers = [getattr(host_client, method)(url(f"metric-import-{name}", token=t)) for t in (token, uuid4())]
    expected = {("refused", "post"): 405, ("discard", "get"): 405}.get((name, method), 404)
    assert [answer.status_code for answer in answers] == [expected] * 2
    assert uploads.waiting(stranger, token)


def test_files_are_purged_after_a_day_and_few_are_kept_per_host(host, today):
    token = uploads.keep(host, SimpleUploadedFile("a.csv", b"x"))
    path = uploads.folder() / host.pk.hex / f"{token.hex}.csv"
    assert oct(path.parent.stat().st_mode)[-3:] == "700"
    assert uploads.purge() == 0
    old = time.time() - uploads.KEEP_SECONDS - 1
    os.utime(path, (old, old))
    assert uploads.purge() == 1
    assert not path.parent.exists()
    for _ in range(15):
        uploads.keep(host, SimpleUploadedFile("a.csv", b"x"))
    assert len(list(path.parent.iterdir())) == uploads.KEEP_FILES


def test_the_example_file_can_be_imported_as_it_is(host_client, gpu):
    data = host_client.get(url("metric-import-example"))
    assert data.headers["Content-Disposition"] == 'attachment; filename="daily-results.csv"'
    address = upload(host_client, data.content).url
    assert host_client.get(address).context["preview"].counts["new"] == 1


def test_a_discarded_file_is_gone(host_client, gpu, today):
    address = upload(host_client, csv_of(today)).url
    token = address.rstrip("/").rpartition("/")[2]
    assert host_client.post(url("metric-import-discard", token=token)).status_code == 302
    assert host_client.get(address).status_code == 404
