"""From a YAML file and ``--set`` overrides to a checked :class:`Experiment`, with errors that name the key path."""

import difflib
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from rhodiff.config.experiment import Experiment
from rhodiff.config.section import Section
from rhodiff.errors import ConfigError

__all__ = ["apply_overrides", "dump_experiment", "load_experiment", "parse_experiment", "parse_section", "read_yaml"]

AnySection = TypeVar("AnySection", bound=Section)


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice: the first value would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, where: str) -> Any:
    """Parse YAML, refusing duplicate keys.

    Args:
        text: the YAML text.
        where: named in the error.

    Raises:
        ConfigError: with line and column, if the text is not YAML.
    """
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from error


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment file.

    Args:
        path: YAML file.
        overrides: ``key.path=value`` strings, applied in order; values are YAML.

    Raises:
        ConfigError: naming every wrong key path, its value and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no experiment file {path}: write one with 'rhodiff-hpc init', or name yours with -c"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the experiment file {path}: {error}") from error
    return parse_experiment(apply_overrides(read_yaml(text, str(path)), overrides), str(path))


def parse_experiment(settings: Any, where: str) -> Experiment:
    """Check plain settings against the schema.

    Args:
        settings: nested mappings, as read from YAML.
        where: named in the error.
    """
    return parse_section(Experiment, settings, where)


def parse_section(kind: type[AnySection], settings: Any, where: str) -> AnySection:
    """Check plain settings against the schema of a section.

    Args:
        kind: the section.
        settings: nested mappings, as read from YAML.
        where: named in the error.

    Raises:
        ConfigError: naming every wrong key path, its value and what is allowed.
    """
    if not isinstance(settings, dict):
        raise ConfigError(f"{where} must hold a mapping of sections, got {type(settings).__name__}")
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(f"{where}:\n" + _explain_all(error, settings, kind)) from None


def apply_overrides(settings: Any, overrides: Sequence[str]) -> Any:
    """Apply ``key.path=value`` strings to nested mappings; integers in a path index lists.

    Returns:
        A changed copy; ``settings`` itself is left alone.
    """
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path:
            raise ConfigError(f"--set {override!r}: write key.path=value, e.g. --set training.iterations=2000")
        settings = _replaced(settings, path.split("."), read_yaml(text, f"--set {path}"), path)
    return settings


def _replaced(node: Any, keys: list[str], value: Any, path: str) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(node, list):
        if not key.isdecimal() or int(key) >= len(node):
            raise ConfigError(f"--set {path}: '{key}' is no index of a list of {len(node)}")
        changed_list = list(node)
        changed_list[int(key)] = _replaced(node[int(key)], rest, value, path)
        return changed_list
    changed = dict(node) if isinstance(node, dict) else {}
    changed[key] = _replaced(changed.get(key, {}), rest, value, path)
    return changed


def dump_experiment(experiment: Experiment) -> str:
    """The experiment as YAML with every default written out; loading it gives the same experiment."""
    return yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _explain_all(error: ValidationError, settings: Any, root: type[Section]) -> str:
    """One line a key path; the alternatives of a union are joined by "or"."""
    reasons: dict[str, tuple[list[str], str]] = {}
    for detail in error.errors():
        path = _key_path(detail["loc"], settings, is_missing=detail["type"] == "missing")
        reason, hint = _reason(detail, root)
        reasons.setdefault(path, ([], hint))[0].append(reason)
    return "\n".join(
        f"  {path or root.__name__.lower()}: {'; or: '.join(dict.fromkeys(found))}{hint}"
        for path, (found, hint) in reasons.items()
    )


def _reason(detail: Any, root: type[Section]) -> tuple[str, str]:
    if detail["type"] == "extra_forbidden":
        return "unknown key", _suggestion(detail["loc"], root)
    if detail["type"] == "missing":
        return "missing", _description(detail["loc"], root)
    if detail["type"] == "union_tag_not_found":
        return "its 'kind' is missing", f". Allowed: {', '.join(_kinds_at(detail['loc'], root))}"
    if detail["type"] == "union_tag_invalid":
        given, allowed = str(detail["ctx"]["tag"]), _kinds_at(detail["loc"], root)
        return f"unknown kind '{given}'", f"{_nearest(given, allowed)} Allowed: {', '.join(allowed)}"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("valid tuple", "valid list")
    if isinstance(detail["input"], dict | list):
        return message, ""
    return f"got {detail['input']!r}, {message}", _description(detail["loc"], root)


def _key_path(location: tuple[int | str, ...], settings: Any, *, is_missing: bool) -> str:
    """The path as written in YAML: pydantic puts the tags of a union into its location, the file does not."""
    parts: list[str] = []
    node = settings
    for position, key in enumerate(location):
        entries = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(entries, dict) and key in entries:
            node = entries[key]
        elif not (is_missing and position == len(location) - 1):
            continue
        parts.append(str(key))
    return ".".join(parts)


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)


def _sections_at(location: tuple[int | str, ...], root: type[Section]) -> list[type[Section]]:
    sections: list[type[Section]] = [root]
    for key in location:
        if isinstance(key, int):
            continue
        tagged = [s for s in sections if "kind" in s.model_fields and s.model_fields["kind"].default == key]
        inside = [
            found for s in sections if key in s.model_fields for found in _sections_in(s.model_fields[key].annotation)
        ]
        sections = tagged or inside or sections  # the last: the key of a mapping of sections
    return sections


def _suggestion(location: tuple[int | str, ...], root: type[Section]) -> str:
    allowed = sorted({name for section in _sections_at(location[:-1], root) for name in section.model_fields})
    return f"{_nearest(str(location[-1]), allowed)} Allowed here: {', '.join(allowed)}"


def _nearest(given: str, allowed: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(given, allowed, n=1, cutoff=0.5)
    return f"; did you mean '{nearest[0]}'?" if nearest else "."


def _kinds_at(location: tuple[int | str, ...], root: type[Section]) -> list[str]:
    return [section.model_fields["kind"].default for section in _sections_at(location, root)]


def _description(location: tuple[int | str, ...], root: type[Section]) -> str:
    names = [key for key in location if isinstance(key, str)]
    while names:
        for section in _sections_at(tuple(names[:-1]), root):
            field = section.model_fields.get(names[-1])
            if field is not None and field.description:
                return f" ({' '.join(field.description.split())})"
        names.pop()
    return ""
