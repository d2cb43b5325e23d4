"""Dockerfile text to a lossless tree.

``parse`` follows BuildKit's line reader (Dockerfile reference, "Format", "Parser directives", "Here-Documents"): what
it joins, drops and splits is joined, dropped and split here, while every character keeps its place in the tree. What
the words of an instruction mean is read by :mod:`lamella.syntax.typed`.
"""

from __future__ import annotations

from lamella.errors import DockerfileError
from lamella.syntax.directives import read_directive
from lamella.syntax.head import RawFlag, split_instruction
from lamella.syntax.keywords import normal_keyword
from lamella.syntax.lines import Line, LineReader, read_logical_line
from lamella.syntax.nodes import Blank, Comment, Directive, Document, Flag, Heredoc, Instruction, Item, Span
from lamella.syntax.words import SPACE, strip

#: a larger file is not taken for a Dockerfile
MAX_BYTES = 16 * 1024 * 1024
MAX_LINES = 1_000_000

BYTE_ORDER_MARK = "\ufeff"


def decode(data: bytes, name: str) -> str:
    """The text of a Dockerfile's bytes; a byte order mark stays in it, so that it can be written back as it was.

    ``name`` is what messages call the file. Raises DockerfileError for what is no UTF-8 text (binary data, UTF-16,
    other encodings) and for files over MAX_BYTES or MAX_LINES.
    """
    if len(data) > MAX_BYTES:
        raise DockerfileError(
            f"{len(data)} bytes are too many for a Dockerfile, the limit is {MAX_BYTES}",
            where=f"{name}:1",
            hint="check that this is the file you meant",
        )
    if data.count(b"\n") > MAX_LINES:
        raise DockerfileError(
            f"{data.count(10)} lines are too many for a Dockerfile, the limit is {MAX_LINES}",
            where=f"{name}:{MAX_LINES + 1}",
            hint="check that this is the file you meant",
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DockerfileError("the file is UTF-16 text", where=f"{name}:1", hint="save it as UTF-8")
    nul = data.find(b"\0")
    if nul >= 0:
        raise DockerfileError(
            "the file holds a NUL byte, so it is no text",
            where=f"{name}:{data.count(10, 0, nul) + 1}",
            hint="check that this is the file you meant, and that it is saved as UTF-8",
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DockerfileError(
            f"the byte 0x{data[error.start]:02x} is not valid UTF-8",
            where=f"{name}:{data.count(10, 0, error.start) + 1}",
            hint="save the file as UTF-8",
        ) from None


def parse(text: str, name: str = "Dockerfile") -> Document:
    """The tree of a Dockerfile's text, in linear time. The sources of its items, joined, are the text.

    ``name`` is what messages call the file. Raises DockerfileError for a misused parser directive, a here-document
    without end, and a file without instructions. Instructions that do not exist or have wrong arguments are kept.
    """
    return _parse(text, name, "\\", directives=True)


def parse_fragment(text: str, name: str, escape: str) -> Document:
    """As ``parse``, for text that is no file: the escape character is given, directives are comments."""
    return _parse(text, name, escape, directives=False)


def _parse(text: str, name: str, escape: str, *, directives: bool) -> Document:
    reader = LineReader(text, len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0)
    items: list[Item] = []
    found: tuple[Directive, ...] = ()
    instructions = False
    while (line := reader.take()) is not None:
        content = text[line.start : line.end].strip(SPACE)
        if content.startswith("#"):
            directive = read_directive(content, line, found, name) if directives else None
            if directive is not None:
                found = (*found, directive)
                escape = directive.value if directive.name == "escape" else escape
                items.append(directive)
                continue
            items.append(Comment(Span(line.start, line.next), line.number, content[1:].strip(SPACE)))
        elif not content:
            items.append(Blank(Span(line.start, line.next), line.number))
        else:
            items.append(_read_instruction(reader, line, name, escape))
            instructions = True
        directives = False
    if not instructions:
        raise DockerfileError(
            "file with no instructions",
            where=f"{name}:1",
            hint="a Dockerfile needs at least a FROM, for example FROM scratch",
        )
    return Document(name, text, escape, tuple(items))


def _read_instruction(reader: LineReader, first: Line, name: str, escape: str) -> Instruction:
    logical = read_logical_line(reader, first, escape)
    word, raw_flags, offset = split_instruction(logical.text)
    keyword, value = normal_keyword(word), strip(logical.text[offset:])
    heredocs = _read_heredocs(reader, keyword, value, logical.text, f"{name}:{first.number}")
    # The spans need source_offset, which needs the pieces: so the node is made first and completed then.
    bare = Instruction(
        span=Span(first.start, reader.at),
        line=first.number,
        end_line=reader.number,
        keyword=keyword,
        keyword_span=Span(first.start, first.start),
        flags=(),
        logical=logical.text,
        value=value,
        value_offset=len(logical.text) - len(logical.text[offset:].lstrip(SPACE)),
        pieces=logical.pieces,
        comments=logical.comments,
        heredocs=heredocs,
        blank_lines=logical.blank_lines,
    )
    start = len(logical.text) - len(logical.text.lstrip(SPACE))
    return bare._replace(
        keyword_span=bare.source_span(start, start + len(word)),
        flags=_flags(bare, raw_flags, reader.text),
    )


def _read_heredocs(reader: LineReader, keyword: str, value: str, logical: str, where: str) -> tuple[Heredoc, ...]:
    if "<<" not in logical:
        return ()
    from lamella.syntax.heredocs import read_heredocs  # most files need none, and start-up time is a feature

    return read_heredocs(reader, keyword, value, logical, where)


def _flags(node: Instruction, raw_flags: tuple[RawFlag, ...], text: str) -> tuple[Flag, ...]:
    """Flags with their places in the document."""
    flags = []
    line, counted = node.line, node.span.start
    for raw in raw_flags:
        span = node.source_span(raw.start, raw.end)
        line += text.count("\n", counted, span.start)
        counted = span.start
        flags.append(Flag(span, line, raw.name, raw.value))
    return tuple(flags)
