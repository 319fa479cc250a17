"""A small PDF writer: files that the tests make from nothing."""

from __future__ import annotations

import hashlib
import io
import re
import struct
from dataclasses import dataclass, field

from PIL import Image


@dataclass
class Pdf:
    """Objects by number, written with a cross-reference table."""

    objects: list[bytes] = field(default_factory=list)
    trailer: bytes = b""

    def add(self, body: bytes) -> int:
        self.objects.append(body)
        return len(self.objects)

    def stream(self, head: bytes, data: bytes) -> int:
        return self.add(b"<<%s/Length %d>>\nstream\n%s\nendstream" % (head, len(data), data))

    def bytes(self) -> bytes:
        out, places = b"%PDF-1.4\n", []
        for number, body in enumerate(self.objects, 1):
            places.append(len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        table = b"".join(b"%010d 00000 n \n" % place for place in places)
        size, start = len(places) + 1, len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
        return out + b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (
            size,
            self.trailer,
            start,
        )


@dataclass
class Page:
    """Text and pictures in points from the top left, as content-stream operators."""

    width: int = 612
    height: int = 792
    rotate: int = 0
    operators: list[str] = field(default_factory=list)
    image: Image.Image | None = None

    def text(self, x, y, text, size=10, font="F1", mode=0, grey=0.0, matrix="1 0 0 1"):
        escaped = re.sub(r"([\\()])", r"\\\1", text)
        self.operators.append(
            f"BT /{font} {size} Tf {mode} Tr {grey} g {matrix} {x} {self.height - y} Tm"
            f" ({escaped}) Tj ET"
        )
        return self

    def lines(self, x, y, lines, size=10, leading=12, **style):
        for i, line in enumerate(lines):
            self.text(x, y + i * leading, line, size, **style)
        return self

    def box(self, x, y, width, height, grey=0.0):
        self.operators.append(f"{grey} g {x} {self.height - y - height} {width} {height} re f")
        return self

    def rule(self, x0, y0, x1, y1, width=1):
        """A stroked line."""
        self.operators.append(
            f"0 G {width} w {x0} {self.height - y0} m {x1} {self.height - y1} l S"
        )
        return self

    def picture(self, image):
        """Over the whole page, painted where it is called."""
        self.image = image
        self.operators.append(f"q {self.width} 0 0 {self.height} 0 0 cm /Im Do Q")
        return self


def make(*pages: Page, info: bytes = b"", xmp: bytes = b"") -> Pdf:
    pdf = Pdf([b"", b""])
    fonts = b"".join(
        b"/%s %d 0 R" % (name, pdf.add(b"<</Type/Font/Subtype/Type1/BaseFont/%s%s>>" % (base, enc)))
        for name, base, enc in (
            (b"F1", b"Helvetica", b"/Encoding/WinAnsiEncoding"),
            (b"F2", b"Helvetica-Bold", b"/Encoding/WinAnsiEncoding"),
        )
    )
    kids = []
    for page in pages:
        resources = b"/Font<<%s>>" % fonts
        if page.image is not None:
            jpeg = io.BytesIO()
            page.image.convert("L").save(jpeg, "JPEG", quality=85)
            head = b"/Type/XObject/Subtype/Image/ColorSpace/DeviceGray/BitsPerComponent 8"
            head += b"/Filter/DCTDecode/Width %d/Height %d" % page.image.size
            resources += b"/XObject<</Im %d 0 R>>" % pdf.stream(head, jpeg.getvalue())
        content = pdf.stream(b"", "\n".join(page.operators).encode("cp1252"))
        kids.append(
            pdf.add(
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Rotate %d/Resources<<%s>>"
                b"/Contents %d 0 R>>" % (page.width, page.height, page.rotate, resources, content)
            )
        )
    extra = b""
    if xmp:
        extra = b"/Metadata %d 0 R" % pdf.stream(b"/Type/Metadata/Subtype/XML", xmp)
    if info:
        pdf.trailer = b"/Info %d 0 R" % pdf.add(info)
    pdf.objects[0] = b"<</Type/Catalog/Pages 2 0 R%s>>" % extra
    refs = b" ".join(b"%d 0 R" % kid for kid in kids)
    pdf.objects[1] = b"<</Type/Pages/Kids[%s]/Count %d>>" % (refs, len(kids))
    return pdf


def rc4(key: bytes, data: bytes) -> bytes:
    state, j, out = list(range(256)), 0, bytearray()
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


PAD = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def encrypt(pdf: Pdf, user: bytes, owner: bytes) -> bytes:
    """Standard security handler, revision 2, 40-bit RC4 (ISO 32000-1, 7.6.3)."""
    pad = lambda password: (password + PAD)[:32]  # noqa: E731
    o = rc4(hashlib.md5(pad(owner)).digest()[:5], pad(user))
    ident, rights = b"0123456789abcdef", struct.pack("<i", -44)
    key = hashlib.md5(pad(user) + o + rights + ident).digest()[:5]
    u = rc4(key, PAD)
    for number, body in enumerate(pdf.objects, 1):
        if b"stream\n" in body:
            head, data = body.split(b"stream\n", 1)
            data = data.removesuffix(b"\nendstream")
            part = hashlib.md5(key + struct.pack("<I", number)[:3] + b"\0\0").digest()[:10]
            pdf.objects[number - 1] = head + b"stream\n" + rc4(part, data) + b"\nendstream"
    handler = b"<</Filter/Standard/V 1/R 2/P -44/O<%s>/U<%s>>>"
    number = pdf.add(handler % (o.hex().encode(), u.hex().encode()))
    pdf.trailer += b"/Encrypt %d 0 R/ID[<%s><%s>]" % (number, *[ident.hex().encode()] * 2)
    return pdf.bytes()


def text_pdf(text: str) -> bytes:
    """One page of text, wrapped."""
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 90:
            lines.append("")
        lines[-1] += f"{word} "
    return make(Page().lines(60, 60, [line.strip() for line in lines])).bytes()


def encrypted_pdf() -> bytes:
    """A page behind a password that nobody gives."""
    return encrypt(make(Page().lines(72, 100, ["a secret page"])), b"secret", b"owner")
