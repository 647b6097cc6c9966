"""Which nodes are to be kept off: several early deaths, and never a success."""

from rhodiff.jobs.attempts import Attempt
from rhodiff.jobs.bad_nodes import find_bad_nodes


def attempt(node, verdict, *, nodes=None, reason="exit code 1"):
    suspect = (node,) if verdict == "again" else ()
    return Attempt(
        1, "12_3", 0, nodes or node, node, "2026-01-01T00:00:00Z", verdict=verdict, reason=reason, suspect=suspect
    )


def test_two_early_deaths_without_success_speak_against_a_node():
    (bad,) = find_bad_nodes(
        [[attempt("n1", "again"), attempt("n2", "done")], [attempt("n1", "again", reason="died")]]
    )
    assert bad.name == "n1"
    assert bad.describe() == "n1: 2 attempts died there at once and none succeeded; the last one was job 12_3: died"


def test_one_early_death_may_be_anything():
    assert find_bad_nodes([[attempt("n1", "again")]]) == []


def test_a_success_clears_every_node_that_took_part():
    deaths = [attempt("n2", "again"), attempt("n2", "again")]
    assert find_bad_nodes([deaths, [attempt("n1", "done", nodes="n[1-3]")]]) == []
    assert [bad.name for bad in find_bad_nodes([deaths, [attempt("n1", "done", nodes="n[3-5]")]])] == ["n2"]
