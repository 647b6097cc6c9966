"""Write the tables of docs/reference.md between its markers from the schema.

    python docs/make_reference.py

A test compares the file with what this script would write, so a setting cannot be added without its line.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from rhodiff.config.experiment import Experiment
from rhodiff.config.section import Operational, Section

BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"
REFERENCE = Path(__file__).parent / "reference.md"


def sections_of(annotation: Any) -> Iterator[type[Section]]:
    """Sections inside an annotation, in order."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from sections_of(part)


def type_text(annotation: Any) -> str:
    """A type as a user would write it."""
    if annotation is type(None):
        return "null"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    parts = get_args(annotation)
    if get_origin(annotation) is tuple:
        return f"list of {type_text(parts[0])}"
    if get_origin(annotation) is dict:
        return "mapping"
    if hasattr(annotation, "__metadata__"):
        return type_text(parts[0])
    if parts:
        return " or ".join(dict.fromkeys(type_text(part) for part in parts))
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "section"
    return {"str": "text", "float": "number", "int": "integer", "bool": "true or false", "Path": "path"}.get(
        annotation.__name__, annotation.__name__
    )


def default_text(field: Any) -> str:
    """A default as YAML would show it."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "*required*"
    if isinstance(value, Section) or (isinstance(value, tuple) and any(isinstance(v, Section) for v in value)):
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return "`null`" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def table(section: type[Section]) -> str:
    """One section as a Markdown table."""
    lines = [" ".join((section.__doc__ or "").split()), "", "| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in section.model_fields.items():
        meaning = " ".join((field.description or "").split()).replace("``", "`").replace("|", "\\|")
        mark = " †" if Operational in field.metadata else ""
        lines.append(f"| `{name}`{mark} | {type_text(field.annotation)} | {default_text(field)} | {meaning} |")
    return "\n".join(lines)


def walk(section: type[Section], path: str, seen: set[type[Section]]) -> Iterator[str]:
    """Headings and tables of a section and all below it, each section once."""
    for name, field in section.model_fields.items():
        for found in sections_of(field.annotation):
            if found in seen:
                continue
            seen.add(found)
            kind = found.model_fields.get("kind")
            below = f"{path}.{name}".lstrip(".")
            yield f"### `{below}`" + (f", kind `{kind.default}`" if kind is not None else "")
            yield table(found)
            yield from walk(found, below, seen)


def render() -> str:
    """All tables."""
    seen: set[type[Section]] = set()
    return "\n\n".join(["### top level", table(Experiment), *walk(Experiment, "", seen)])


def updated(text: str) -> str:
    """The reference with its tables made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{render()}\n\n{END}{after}"


if __name__ == "__main__":
    REFERENCE.write_text(updated(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
