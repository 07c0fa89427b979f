#!/usr/bin/env python3
"""Makes the samples of this folder with programs that others wrote. README.md says which, and how to run it."""

import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import docx
import openpyxl
import pptx
from PIL import Image

HERE = Path(__file__).resolve().parent
TEXT = "議事録：第三回 運営会議"


def picture(path):
    """A PNG with noise, so that it is a media part that compresses badly."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    rows = b"".join(b"\0" + bytes((x * 37 + y * 91 + x * y) % 256 for x in range(72)) for y in range(24))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 24, 8, 2, 0, 0, 0))
                     + chunk(b"tEXt", b"Author\0Ada") + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def office():
    image = HERE / "picture.png"
    picture(image)
    Image.open(image).save(HERE / "picture.jpg", quality=60, comment=TEXT)
    document = docx.Document()
    document.core_properties.title = TEXT
    document.add_heading(TEXT, 1)
    document.add_paragraph("出席者：山田、佐藤、鈴木。")
    document.add_picture(str(image))
    document.save(HERE / "python-docx.docx")

    book = openpyxl.Workbook()
    book.active.title = "売上"
    book.active.append(["月", "金額"])
    for month in range(1, 13):
        book.active.append([f"{month}月", month * 1000])
    book.save(HERE / "openpyxl.xlsx")

    slides = pptx.Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[0])
    slide.shapes.title.text = TEXT
    slides.save(HERE / "python-pptx.pptx")


def libreoffice():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        text = folder / "text.html"
        text.write_text(f"<html><head><meta charset='utf-8'><title>{TEXT}</title></head><body><h1>{TEXT}</h1></body></html>")
        rows = folder / "rows.csv"
        rows.write_text("月,金額\n" + "".join(f"{month}月,{month * 1000}\n" for month in range(1, 13)))
        profile = f"-env:UserInstallation=file://{folder}/profile"
        for source, kinds in ((text, ("docx:MS Word 2007 XML", "doc:MS Word 97", "pdf:writer_web_pdf_Export")),
                              (rows, ("xlsx:Calc MS Excel 2007 XML", "xls:MS Excel 97"))):
            for kind in kinds:
                how = ["--infilter=HTML (StarWriter)"] if source == text else ["--infilter=CSV:44,34,76,1"]
                how = [] if kind.startswith("pdf") else how
                subprocess.run(["soffice", profile, "--headless", *how, "--convert-to", kind, "--outdir", folder, source],
                               check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.copy(text, HERE / "page.html")
        for made in ("text.docx", "text.doc", "text.pdf", "rows.xlsx", "rows.xls"):
            shutil.copy(folder / made, HERE / f"libreoffice{Path(made).suffix}")


if __name__ == "__main__":
    office()
    libreoffice()
    sizes = {path.name: path.stat().st_size for path in sorted(HERE.iterdir())}
    print("\n".join(f"{size:8} {name}" for name, size in sizes.items()), file=sys.stderr)
