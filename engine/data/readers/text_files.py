"""Text files of unknown encoding: which one it is, and whether it is text at all. For all readers of text formats."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from engine.errors import UserError

CHUNK = 1024 * 1024
MAX_LINE = 16 * 1024**2  # characters: what is held whole, and takes many times as much when it is values
SAMPLE = 64 * 1024
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
KNOWN_BINARY = (
    (
        b"PK\x03\x04",
        "a zip archive or an Excel workbook",
        "Save the sheet as CSV, or unpack the archive, and load that.",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document", "Save it as CSV and load that."),
    (b"\x1f\x8b", "compressed with gzip", "Unpack it first."),
    (b"%PDF", "a PDF document", "Save its text as CSV or JSON and load that."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it first."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV and load that."),
)
NOT_OF_FILES = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}  # slow, or for other ends
NOT_TEXT = frozenset(range(0x20)) - {0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1B, 0x1E, 0x1F}


def encoding_of(path: Path, name: str, *, within: int | None = None) -> str:
    """The encoding of a text file: by its byte order mark, else UTF-8 when it is that, else UTF-16, else Windows-1252.

    `within`: look at this many bytes only. Raises UserError when the file is empty or not text.
    """
    with path.open("rb") as file:
        start = file.read(SAMPLE)
    if not start.strip():
        raise UserError(f"“{name}” is empty.", "Choose a file that has at least one row.")
    for mark, encoding in BOMS:
        if start.startswith(mark):
            return encoding
    for magic, what, hint in KNOWN_BINARY:
        if start.startswith(magic):
            raise UserError(f"“{name}” is {what}, not a text file.", hint)
    wide = _utf16_without_mark(start)
    if wide:
        return wide
    if sum(byte in NOT_TEXT for byte in start) > len(start) // 1000:
        raise UserError(
            f"“{name}” is not a text file: it holds bytes that stand for no character.",
            "Load CSV, TSV, JSON, JSONL, Parquet or CoNLL.",
        )
    return _eight_bit(path, within or path.stat().st_size)


def encoding_note(encoding: str) -> str | None:
    """What to tell the owner about an encoding that was guessed."""
    if encoding in ("utf-8", "utf-8-sig"):
        return None
    shown = {"cp1252": "Windows-1252", "latin-1": "Latin-1", "utf-16": "UTF-16", "utf-32": "UTF-32"}
    return (
        f"The file is not UTF-8; it was read as {shown.get(encoding, encoding.upper())}. Check letters such as é or ü."
    )


def open_text(path: Path, encoding: str) -> IO[str]:
    """The file as text, line ends untouched (the csv module wants them so)."""
    return path.open("r", encoding=encoding, newline="")


def lines_of(file: IO[str], name: str) -> Iterator[str]:
    """The lines with their ends. Raises UserError for one that is too long to be held."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise UserError(
                f"“{name}”: line {number} has more than {MAX_LINE:,} characters, which is too much for one row.",
                "Check that each row is on a line of its own, or cut its texts.",
            )
        yield line


def start_of(path: Path, encoding: str, characters: int = SAMPLE) -> str:
    """The beginning of the file as text, for guesses: bytes that do not fit are replaced."""
    with path.open("r", encoding=encoding, errors="replace") as file:
        return file.read(characters)


def checked_encoding(encoding: str) -> str:
    """The name of an encoding that someone typed. Raises UserError for an unknown one."""
    try:
        "".encode(encoding)  # codecs such as base64 have names too, but are not for text
        found = codecs.lookup(encoding).name
        if found in NOT_OF_FILES:
            raise LookupError(found)
        return found
    except (LookupError, ValueError) as error:
        raise UserError(
            f"There is no encoding named {encoding[:40]!r}.",
            "Write for example utf-8, utf-16, windows-1252 or shift_jis.",
        ) from error


def undecodable(path: Path, name: str, encoding: str) -> UserError:
    """The error for a file that is not in the encoding that was asked for, with the line where it ends being so."""
    line, decoder = 1, codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            try:
                line += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError as error:
                line += error.object[: error.start].decode(encoding, "replace").count("\n")
                break
            except UnicodeError:  # UTF-16 and UTF-32 without their mark: the first line is wrong already
                break
    return UserError(
        f"“{name}” is not {encoding}: line {line} holds bytes that are no character in it.",
        "Choose another encoding, or leave it to be recognised.",
    )


def _utf16_without_mark(start: bytes) -> str | None:
    even, odd = start[0::2], start[1::2]
    if len(start) < 4 or not (0 in even or 0 in odd):
        return None
    if odd.count(0) > 0.4 * len(odd) and even.count(0) == 0:
        return "utf-16-le"
    if even.count(0) > 0.4 * len(even) and odd.count(0) == 0:
        return "utf-16-be"
    return None


def _eight_bit(path: Path, within: int) -> str:
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
    with path.open("rb") as file:
        while decoders and within > file.tell() and (chunk := file.read(CHUNK)):
            decoders = {name: d for name, d in decoders.items() if _decodes(d, chunk, final=False)}
        whole = not file.read(1)  # a character cut by `within` is no mistake
    left = [name for name, d in decoders.items() if _decodes(d, b"", final=whole)]
    return left[0] if left else "latin-1"


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True
