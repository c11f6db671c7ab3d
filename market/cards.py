"""The picture that a link to one of our pages shows elsewhere: 1200 × 630, drawn from figures alone. No Django."""

from __future__ import annotations

import io
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1200, 630
EDGE = 72
LOGO = 48
GROUND, SURFACE, TEXT, MUTED, LINE = "#f5f6f8", "#ffffff", "#161b22", "#566171", "#dfe3e8"
BRAND, BRAND_SOFT, WARN, WARN_SOFT = "#2257d6", "#e8effe", "#8a5300", "#fdf1dc"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class CardText:
    """What stands on a card. `facts` are (label, value) below the large figure; `badge` is empty but for a warning."""

    site: str
    title: str
    figure: str
    unit: str
    facts: Sequence[tuple[str, str]]
    foot: str
    badge: str = ""
    share: float | None = None  # rented, 0 to 1: drawn as a bar


SPELLED = str.maketrans({"–": "-", "—": "-", "−": "-", "·": "|", "“": '"', "”": '"', "’": "'", "…": "...", "ß": "ss"})


def drawable(text: str) -> str:
    """`text` in letters that the font has: ASCII, dashes and accents spelled with it, the rest left out."""
    plain = unicodedata.normalize("NFKD", text.translate(SPELLED))
    return "".join(letter for letter in plain if " " <= letter <= "~")


def _font(size: int) -> Font:
    """Pillow's own scalable font."""
    return ImageFont.load_default(size)


def _fitting(draw: ImageDraw.ImageDraw, text: str, size: int, room: float) -> tuple[str, Font]:
    """`text` and the largest font up to `size` in which it fits into `room`; cut where half of `size` is too large."""
    for pixels in range(size, size // 2, -4):
        font = _font(pixels)
        if draw.textlength(text, font) <= room:
            return text, font
    font = _font(size // 2)
    while text and draw.textlength(f"{text}...", font) > room:
        text = text[:-1]
    return f"{text.rstrip()}...", font


def draw_card(card: CardText) -> bytes:
    """The card as a PNG of few colors."""
    card = CardText(
        site=drawable(card.site),
        title=drawable(card.title),
        figure=drawable(card.figure),
        unit=drawable(card.unit),
        facts=[(drawable(label), drawable(value)) for label, value in card.facts],
        foot=drawable(card.foot),
        badge=drawable(card.badge),
        share=card.share,
    )
    image = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((32, 32, WIDTH - 32, HEIGHT - 32), 28, fill=SURFACE, outline=LINE, width=2)
    draw.rectangle((32, 78, 40, HEIGHT - 78), fill=BRAND)
    image.paste(_logo(), (EDGE, 76))
    _heading(draw, card)
    room = WIDTH - 2 * EDGE
    if not card.figure:
        for i, line in enumerate(textwrap.wrap(card.title, 24)[:2]):
            title, font = _fitting(draw, line, 84, room)
            draw.text((EDGE, 210 + i * 96), title, TEXT, font, "lm", stroke_width=1, stroke_fill=TEXT)
    else:
        title, font = _fitting(draw, card.title, 84, room)
        draw.text((EDGE, 196), title, TEXT, font, "lm", stroke_width=1, stroke_fill=TEXT)
        figure, font = _fitting(draw, card.figure, 132, room * 0.6)
        draw.text((EDGE, 318), figure, BRAND, font, "lm", stroke_width=2, stroke_fill=BRAND)
        after = EDGE + draw.textlength(figure, font) + 28
        unit, font = _fitting(draw, card.unit, 40, WIDTH - EDGE - after)
        draw.text((after, 336), unit, MUTED, font, "lm")
    _facts(draw, card)
    draw.text((EDGE, HEIGHT - 74), card.foot, MUTED, _fitting(draw, card.foot, 30, room)[1], "lm")
    target = io.BytesIO()
    image.quantize(128).save(target, "PNG", optimize=True)
    return target.getvalue()


def _logo() -> Image.Image:
    """The logo of the pages (templates/ui/_logo.html), drawn large and made small, so that its line is smooth."""
    scale = LOGO * 4 / 32
    large = Image.new("RGB", (LOGO * 4, LOGO * 4), SURFACE)
    draw = ImageDraw.Draw(large)
    draw.rounded_rectangle((0, 0, LOGO * 4 - 1, LOGO * 4 - 1), 8 * scale, fill=BRAND)
    corners = [(x * scale, y * scale) for x, y in ((7, 21), (13, 14), (18, 18), (25, 9))]
    draw.line(corners, "#ffffff", round(2.8 * scale), joint="curve")
    half = 1.4 * scale
    for x, y in (corners[0], corners[-1]):
        draw.ellipse((x - half, y - half, x + half, y + half), fill="#ffffff")
    return large.resize((LOGO, LOGO), Image.Resampling.LANCZOS)


def _heading(draw: ImageDraw.ImageDraw, card: CardText) -> None:
    """Our name beside the logo, and at the right what must not be overlooked."""
    draw.text((EDGE + 66, 100), card.site, TEXT, _font(36), "lm")
    if card.badge:
        font = _font(34)
        width = draw.textlength(card.badge, font)
        right = WIDTH - EDGE
        draw.rounded_rectangle((right - width - 44, 72, right, 128), 28, fill=WARN_SOFT, outline=WARN, width=2)
        draw.text((right - width - 22, 100), card.badge, WARN, font, "lm")


def _facts(draw: ImageDraw.ImageDraw, card: CardText) -> None:
    """The smaller figures in columns, and the bar of the rented share under the last of them."""
    if not card.facts:
        return
    column = (WIDTH - 2 * EDGE) / max(2, len(card.facts))
    for i, (label, value) in enumerate(card.facts):
        x = EDGE + i * column
        draw.text((x, 416), label, MUTED, _fitting(draw, label, 32, column - 30)[1], "lm")
        text, font = _fitting(draw, value, 54, column - 30)
        draw.text((x, 470), text, TEXT, font, "lm", stroke_width=1, stroke_fill=TEXT)
    if card.share is not None:
        x = EDGE + (len(card.facts) - 1) * column
        width = column - 60
        draw.rounded_rectangle((x, 508, x + width, 520), 6, fill=BRAND_SOFT)
        filled = width * min(1.0, max(0.0, card.share))
        if filled >= 12:
            draw.rounded_rectangle((x, 508, x + filled, 520), 6, fill=BRAND)
