"""A heartbeat that says the same for too long, by the watcher's clock."""

from rhodiff.jobs.watchdog import Watchdog


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def stalls(timeout_s, looks):
    """What a watchdog says at (seconds, content)."""
    clock = Clock()
    watchdog = Watchdog(timeout_s, clock)
    found = []
    for seconds, content in looks:
        clock.now = 1000.0 + seconds
        found.append(watchdog.sees_stall(content))
    return found


def test_a_heartbeat_that_never_comes_is_a_stall():
    assert stalls(10, [(5, None), (10, None), (11, None)]) == [False, False, True]


def test_every_new_content_counts_from_when_it_was_seen():
    assert stalls(10, [(9, "a"), (18, "a"), (20, "a"), (21, "b")]) == [False, False, True, False]


def test_without_a_timeout_nothing_is_a_stall():
    assert stalls(None, [(1e9, None)]) == [False]
