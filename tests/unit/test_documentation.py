"""The documentation says what the code does: tables are those of the schema, links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def load_reference_maker():
    path = ROOT / "docs" / "make_reference.py"
    spec = importlib.util.spec_from_file_location("make_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_tables_are_those_of_the_schema():
    maker = load_reference_maker()
    text = maker.REFERENCE.read_text(encoding="utf-8")
    assert maker.updated(text) == text, "run: python docs/make_reference.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page):
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_readme_names_shipped_experiments_that_exist():
    named = re.findall(r"rhodiff-hpc init (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert named
    assert all((ROOT / "configs" / f"{name}.yaml").exists() for name in named)
