"""The rules of the package's architecture, read from its source: layers, cycles, printing, names, lazy imports."""

import ast
import json
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import rhodiff

PACKAGE = Path(rhodiff.__file__).parent
LAYERS = (
    {"errors", "config", "runtime", "store"},
    {"sources", "simulation", "fields", "models", "diffusion", "training", "statistics", "report"},
    {"stages"},
    {"jobs"},
    {"cli"},
)
WITHIN_L1 = {
    "training": {"fields", "models", "diffusion"},
    "report": {"statistics"},
    "sources": {"simulation"},
}
"""Which other packages of its own layer a package of L1 may import; none where it is not listed."""
PROGRAMS = {"rhodiff.jobs.body"}
"""What batch scripts start: it writes the job's log and ends with the job's exit code."""


def read_sources():
    """Source text by module name; a package goes by its own name."""
    sources = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return sources


SOURCES = read_sources()


def is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def executed_statements(node):
    """Statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_type_checking(child):
            continue
        yield child
        yield from executed_statements(child)


def imported_modules(text, *, at_import_only=False):
    """Modules of rhodiff that a module imports, anywhere or only when it is itself imported."""
    tree = ast.parse(text)
    found = set()
    for node in executed_statements(tree) if at_import_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            longer = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in SOURCES else node.module for name in longer}
    return {name for name in found if name.partition(".")[0] == "rhodiff"}


def package_of(module):
    return module.split(".")[1] if "." in module else None


def layer_of(package):
    return next(number for number, packages in enumerate(LAYERS) if package in packages)


def is_allowed(importer, imported):
    """Whether a module may import another one by the rule of layers."""
    ours, theirs = package_of(importer), package_of(imported)
    if theirs is None or ours == theirs:
        return True
    if layer_of(ours) == layer_of(theirs) == 1:
        return theirs in WITHIN_L1.get(ours, set())
    return layer_of(theirs) <= layer_of(ours)


def find_cycle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def forbidden_calls(text):
    """Places where a module prints or ends the process."""
    names = {"print", "exit", "quit", "breakpoint", "SystemExit"}
    attributes = {("sys", "exit"), ("os", "_exit"), ("sys", "stdout"), ("sys", "stderr")}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and node.id in names:
            yield node.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            pair = (node.value.id, node.attr)
            if pair in attributes:
                yield ".".join(pair)


def bound_names(tree):
    is_lazy = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
    for node in ast.walk(tree) if is_lazy else executed_statements(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
    yield from (node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_imports_point_to_the_same_or_a_lower_layer(module):
    upward = [name for name in imported_modules(SOURCES[module]) if not is_allowed(module, name)]
    assert upward == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("rhodiff.store.files", "rhodiff.sources.dust"),
        ("rhodiff.diffusion.edm", "rhodiff.statistics"),
        ("rhodiff.statistics.spectrum", "rhodiff.diffusion"),
        ("rhodiff.training.loop", "rhodiff.sources.source"),
        ("rhodiff.report.figures", "rhodiff.fields"),
        ("rhodiff.stages.train", "rhodiff.cli.console"),
        ("rhodiff.stages.train", "rhodiff.jobs.slurm"),
    ],
)
def test_the_layer_rule_refuses_imports_that_it_must(importer, imported):
    assert not is_allowed(importer, imported)


def test_imports_inside_functions_count():
    text = "def f():\n    from rhodiff.stages import plan\n"
    assert imported_modules(text) == {"rhodiff.stages.plan"}
    assert imported_modules(text, at_import_only=True) == set()


def test_modules_do_not_import_each_other_in_a_circle():
    graph = {name: imported_modules(text, at_import_only=True) - {name} for name, text in SOURCES.items()}
    assert find_cycle(graph) is None
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) is not None


@pytest.mark.parametrize("module", sorted(n for n in SOURCES if package_of(n) != "cli" and n not in PROGRAMS))
def test_only_the_command_line_prints_or_exits(module):
    assert list(forbidden_calls(SOURCES[module])) == []


def test_printing_is_found_where_it_is():
    assert list(forbidden_calls("def f():\n    print(1)\n    sys.exit(2)\n")) == ["print", "sys.exit"]


@pytest.mark.parametrize("module", sorted(name for name in SOURCES if not name.endswith("__main__")))
def test_modules_say_what_is_public_and_have_it(module):
    tree = ast.parse(SOURCES[module])
    lists = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    is_empty = all(isinstance(node, ast.Expr) for node in tree.body)
    assert len(lists) == (0 if is_empty else 1)
    for names in lists:
        assert set(names) <= set(bound_names(tree))


def loaded_after(code, candidates):
    """Which of some packages a fresh interpreter has loaded after running some code."""
    report = f"import json, sys; sys.stderr.write(json.dumps([n for n in {candidates!r} if n in sys.modules]))"
    result = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return json.loads(result.stderr.splitlines()[-1])


def test_statistics_load_no_torch():
    assert loaded_after("import rhodiff.statistics", ["torch", "rhodiff.statistics"]) == ["rhodiff.statistics"]


def test_a_jobs_body_loads_nothing_slow():
    slow = ["torch", "zarr", "numpy", "pydantic", "yaml", "submitit", "rhodiff.jobs.job_body"]
    assert loaded_after("import rhodiff.jobs.body, rhodiff.store.locks", slow) == ["rhodiff.jobs.job_body"]


def test_help_loads_nothing_slow():
    code = (
        "import sys\nsys.argv = ['rhodiff-hpc', '--help']\nfrom rhodiff.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
    )
    slow = ["torch", "zarr", "numpy", "scipy", "matplotlib", "pydantic", "yaml", "h5py", "rhodiff.cli.run"]
    assert loaded_after(code, slow) == ["rhodiff.cli.run"]
