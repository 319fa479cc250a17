"""The sample's PDFs: born-digital papers as they are, and pages of others made into scans."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pypdfium2
from PIL import Image, ImageFilter
from sample_packages import Packages, h


def papers(sources: dict, packages: Packages) -> Iterator[tuple[str, bytes, dict]]:
    """Yield born-digital PDFs as (name, bytes, manifest fields)."""
    for name, place in sources["papers"].items():
        data, notes = packages.file(place).read_bytes(), f"from {place.split(':')[1]}"
        count = len(pypdfium2.PdfDocument(data))
        if name.endswith("truncated"):
            data, notes = data[: len(data) * 6 // 10], notes + "; cut at 60 % of its bytes"
        about = {"packages": {place.split(":")[0]}, "notes": notes, "pages": count}
        yield f"papers/{name}.pdf", data, about


def scans(sources: dict, packages: Packages) -> Iterator[tuple[str, bytes, dict]]:
    """Yield image-only PDFs as (name, bytes, manifest fields with the true text of each page)."""
    for entry in sources["scans"]:
        document = pypdfium2.PdfDocument(packages.file(entry["pdf"]).read_bytes())
        images, truth = [], []
        for number in entry["pages"]:
            page = document[number - 1]
            images.append(scan(page, entry["dpi"], f"{entry['name']} {number}"))
            truth.append(page.get_textpage().get_text_bounded().replace("\r\n", "\n"))
        numbers = ", ".join(map(str, entry["pages"]))
        about = {
            "packages": {entry["pdf"].split(":")[0]},
            "notes": f"rendered from {entry['pdf'].split(':')[1]}, page {numbers}",
            "pages": len(images),
            "truth": truth,
        }
        yield f"scans/{entry['name']}.pdf", image_pdf(images, entry["dpi"]), about


def scan(page: pypdfium2.PdfPage, dpi: int, name: str) -> tuple[bytes, int, int]:
    """A page as a scanner would give it: grey, a little askew, uneven light, specks. JPEG."""
    rng = np.random.default_rng(h("scan", name))
    image = page.render(scale=dpi / 72, grayscale=True).to_pil().convert("L")
    angle = float(rng.uniform(0.4, 1.1) * rng.choice([-1, 1]))
    image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    image = image.filter(ImageFilter.GaussianBlur(0.9))  # a scanner's optics; also packs better
    grey = np.asarray(image, np.float32)
    high, wide = grey.shape
    light = 236 + 10 * np.linspace(-1, 1, wide)[None, :] * np.linspace(1, 0.4, high)[:, None]
    grey = 22 + grey / 255 * (light - 22) + rng.normal(0, 1.2, grey.shape)
    for y, x in zip(rng.integers(0, high - 3, 60), rng.integers(0, wide - 3, 60), strict=True):
        grey[y : y + 1 + y % 3, x : x + 1 + x % 3] = 90
    buffer = io.BytesIO()
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(
        buffer, "JPEG", quality=22, optimize=True
    )
    return buffer.getvalue(), wide, high


def image_pdf(images: list[tuple[bytes, int, int]], dpi: int) -> bytes:
    """A PDF of JPEG pages and nothing else: no text, no dates, no random id."""
    kids = b" ".join(b"%d 0 R" % (3 * i + 3) for i in range(len(images)))
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(images)),
    ]
    for i, (jpeg, wide, high) in enumerate(images):
        size = b"%.2f 0 0 %.2f" % (wide * 72 / dpi, high * 72 / dpi)
        box = size.replace(b" 0 0 ", b" ")
        draw = b"q %s 0 0 cm /S Do Q" % size
        parts += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %s] /Contents %d 0 R"
            b" /Resources << /XObject << /S %d 0 R >> >> >>" % (box, 3 * i + 4, 3 * i + 5),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(draw), draw),
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray"
            b" /BitsPerComponent 8 /Filter /DCTDecode /Length %d >>\nstream\n%s\nendstream"
            % (wide, high, len(jpeg), jpeg),
        ]
    body, table = b"%PDF-1.4\n", b"0000000000 65535 f \n"
    for i, part in enumerate(parts, 1):
        table += b"%010d 00000 n \n" % len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (i, part)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>" % (len(parts) + 1)
    end = b"xref\n0 %d\n%s%s\nstartxref\n%d\n%%%%EOF\n"
    return body + end % (len(parts) + 1, table, trailer, len(body))
