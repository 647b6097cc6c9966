"""Energies told in an engine's log."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.simulation.energies import energy_line, parse_energies

BONSAI = """\
[INIT]\tUsed memory: 12
iter=0 : time= 0  Etot= -0.24713  Ekin= 0.24681   Epot= -0.49394 : de= -0 ( 0 ) d(de)= -0 ( 0 ) t_sim=  0.3 sec
Done: iter=0 domain= 0.1 Tgrav= 0.2
iter=1 : time= 0.0625  Etot= -0.247377  Ekin= 0.24  Epot= -0.487377 : de= 0.0010 ( 0.0010 ) d(de)= 0 ( 0 )
iter=2 : time= 0.125  Etot= -2.4700e-01  Ekin= 0.24  Epot= -0.487 : de= -0.0005 ( 0.0010 ) d(de)= 0 ( 0 )
"""


def test_bonsais_lines_are_found_among_others():
    history = parse_energies(BONSAI)
    assert history.time.tolist() == [0, 0.0625, 0.125]
    assert history.total.tolist() == [-0.24713, -0.247377, -0.247]
    assert history.kinetic.tolist() == [0.24681, 0.24, 0.24]
    assert history.potential.tolist() == [-0.49394, -0.487377, -0.487]
    assert history.last_time == 0.125


def test_the_error_is_the_largest_against_the_first_energy():
    assert parse_energies(BONSAI).relative_error == pytest.approx(0.247 / 247.13, rel=1e-3)
    assert parse_energies(energy_line(0, 0.0, 1.0, -3.0, -2.0)).relative_error == 0


def test_our_lines_are_read_back():
    lines = [energy_line(i, i * 0.0625, 1.5 + i, -4.25, -2.75) for i in range(3)]
    history = parse_energies("\n".join(lines))
    assert history.time.tolist() == [0, 0.0625, 0.125]
    assert history.kinetic.tolist() == [1.5, 2.5, 3.5]
    assert history.potential.tolist() == [-4.25] * 3
    assert history.total.tolist() == [-2.75, -1.75, -0.75]
    assert lines[1].endswith("de= -0.363636")


def test_a_line_that_was_cut_off_does_not_count():
    whole = energy_line(0, 1.0, 1.0, -3.0, -2.0)
    cut = energy_line(1, 2.0, 1.0, -3.125, -2.0)
    for end in range(cut.index(" : de")):
        assert len(parse_energies(whole + "\n" + cut[:end]).time) == 1
    assert len(parse_energies(whole + "\n" + cut).time) == 2


@pytest.mark.parametrize("energy", ["nan", "-nan", "inf"])
def test_energies_that_are_no_numbers_make_the_error_unknown(energy):
    first = "iter=0 : time= 0  Etot= -1  Ekin= 1  Epot= -2 : de= 0\n"
    history = parse_energies(first + f"iter=1 : time= 1  Etot= {energy}  Ekin= 1  Epot= -2 : de= 0")
    assert not np.isfinite(history.relative_error)
    assert history.last_time == 1


def test_nothing_told_is_nothing_known():
    history = parse_energies("CUDA error\n")
    assert len(history.time) == 0
    assert history.last_time == -np.inf
    assert np.isnan(history.relative_error)


def test_damaged_lines_are_refused():
    with pytest.raises(DataError, match=r"'iter=3 : time= 0\.5x.*no numbers"):
        parse_energies("iter=3 : time= 0.5x  Etot= -1  Ekin= 1  Epot= -2 : de= 0")
