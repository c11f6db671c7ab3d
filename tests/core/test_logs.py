"""No line holds a secret, whoever logs it (reliability, Logs)."""

import json
import logging
import time

import pytest

from gpuadvisor.core import logs

LINES = [
    ("GET /alerts/in/abcDEF123/ 200", "GET /alerts/in/***/ 200"),
    ("post https://discord.com/api/webhooks/12/aB-c_d failed", "post https://discord.com/api/webhooks/12/*** failed"),
    ("token gpa_0123456789abcdef used", "token gpa_*** used"),
    ("sk_live_0123456789abcdefghij", "sk_live_***"),
    ("whsec_0123456789", "whsec_***"),
    ("key sk-proj-0123456789", "key sk-***"),
    ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
    ("postgres://app:hunter2@db/site", "postgres://app:***@db/site"),
    ("redis://:hunter2@cache:6379", "redis://:***@cache:6379"),
    ("form {'password': 'hunter2', 'name': 'x'}", "form {'password': '***', 'name': 'x'}"),
    ("?new_password=hunter2&next=/", "?new_password=***&next=/"),
    ("API_KEY=hunter2", "API_KEY=***"),
    ("mail to anna.b@example.com left", "mail to a***@example.com left"),
    ("1200 tokens: 3 answers by the host", "1200 tokens: 3 answers by the host"),
    ("worker celery@host is up", "worker celery@host is up"),
]


@pytest.mark.parametrize(("said", "stands"), LINES, ids=range(len(LINES)))
def test_what_stands_in_a_line(said, stands):
    assert logs.hide(said) == stands


@pytest.mark.parametrize("formatter", [logs.ReadableFormatter, logs.JsonFormatter])
def test_arguments_and_tracebacks_are_hidden_too(formatter):
    try:
        raise ValueError('answer: {"password": "hunter2"} of anna@example.com')
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "%s", ("secret=hunter2",), (type(error), error, error.__traceback__)
        )
    record.request_id = "f" * 32
    line = formatter().format(record)
    assert "hunter2" not in line
    assert "anna@" not in line
    if formatter is logs.JsonFormatter:
        assert json.loads(line)["request_id"] == "f" * 32


def test_a_long_line_takes_no_time():
    began = time.perf_counter()
    for part in ("a-", "a.", "a ", "token ", "@", "://"):
        logs.hide(part * 20_000)
    assert time.perf_counter() - began < 2
