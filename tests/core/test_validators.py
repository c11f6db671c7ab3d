"""What typed text and numbers must be (reliability f 1-8, 9-17)."""

import pytest
from django.core.exceptions import ValidationError

from gpuadvisor.core import validators


@pytest.mark.parametrize(
    "text", ["Garage", "Gärage 2 – Süd", "🚀 rig", "{{7*7}}", "<script>alert(1)</script>", "机架 3"]
)
def test_visible_text_takes_what_a_reader_can_see(text):
    validators.visible_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "a\nb",
        "a\r\nBcc: x@y.z",
        "\u202eevil",
        "\u200b\u200b",
        "   ",
        "\ud800",
        "a\x1b[31mred",
        "a\tb",
        "\u2066x",
    ],
)
def test_visible_text_refuses_what_hides(text):
    with pytest.raises(ValidationError):
        validators.visible_text(text)


def test_multiline_text_may_have_lines():
    validators.visible_multiline("first\nsecond\r\n\tthird")
    with pytest.raises(ValidationError):
        validators.visible_multiline("a\x00b")


@pytest.mark.parametrize("text", ["0", "1.5", "-2", "+3.25"])
def test_plain_digits_are_a_number(text):
    assert validators.PLAIN_NUMBER.match(text)


@pytest.mark.parametrize(
    "text", ["1_000", "１２", "NaN", "Infinity", "1e5", "1,5", "", "two", "0x10", "1.", ".5", "1 000", "1\n"]
)
def test_what_is_not_plain_digits_is_no_number(text):
    assert not validators.PLAIN_NUMBER.match(text)
