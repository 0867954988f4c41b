from otelbridge.analysis.throttle import Throttle


def test_the_first_time_is_said_and_the_next_ones_are_counted() -> None:
    throttle = Throttle(10.0, max_keys=8)
    said = [throttle.admit(("a",), now) for now in (0.0, 1.0, 9.9, 10.0, 10.1, 30.0)]
    assert said == [1, None, None, 3, None, 2]


def test_keys_do_not_know_each_other() -> None:
    throttle = Throttle(10.0, max_keys=8)
    assert [throttle.admit(key, 0.0) for key in (("a", "b"), ("ab",), ("a", "b", ""))] == [1, 1, 1]


def test_the_key_longest_not_seen_is_forgotten_first() -> None:
    throttle = Throttle(10.0, max_keys=2)
    for key in "abab":
        throttle.admit((key,), 0.0)
    throttle.admit(("c",), 1.0)
    assert [throttle.admit((key,), 2.0) for key in "bca"] == [None, None, 1]


def test_a_restored_throttle_goes_on_where_it_was() -> None:
    before = Throttle(10.0, max_keys=8)
    before.admit(("a",), 0.0)
    before.admit(("a",), 5.0)
    after = Throttle(10.0, max_keys=8)
    after.restore(before.snapshot())
    assert (after.admit(("a",), 9.0), after.admit(("a",), 10.0)) == (None, 3)


def test_text_that_is_no_unicode_is_a_key_like_any_other() -> None:
    assert Throttle(10.0, max_keys=2).admit(("\ud800",), 0.0) == 1
