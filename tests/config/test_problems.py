from otelbridge.config.problems import MAX_SHOWN, ConfigProblem, Excerpt, Problem, did_you_mean, render


def test_the_offending_part_is_underlined() -> None:
    problem = Problem("a.b", "is wrong", Excerpt("f.yaml", 12, 6, "\ta: x", 4, 1))

    assert str(problem) == "f.yaml:12:6: a.b: is wrong\n  12 | \ta: x\n     | \t   ^"


def test_a_problem_without_a_line_is_one_line() -> None:
    assert str(Problem("a", "is wrong", Excerpt("--set a"))) == "--set a: is wrong"
    assert str(Problem("a.b", "is wrong", Excerpt("--set a"))) == "--set a: a.b: is wrong"
    assert str(Problem("", "is wrong", Excerpt("f.yaml"))) == "f.yaml: is wrong"


def test_problems_are_counted() -> None:
    one = Problem("a", "is wrong", Excerpt("f.yaml"))

    assert render((one,)) == "f.yaml: a: is wrong\n1 problem; nothing was started."
    assert render((one, one)).endswith("\n2 problems; nothing was started.")


def test_thousands_of_problems_are_cut() -> None:
    many = tuple(Problem(str(number), "is wrong", Excerpt("f.yaml")) for number in range(MAX_SHOWN + 5))

    lines = render(many).splitlines()

    assert len(lines) == MAX_SHOWN + 2
    assert lines[-2:] == ["... and 5 more", f"{MAX_SHOWN + 5} problems; nothing was started."]


def test_the_nearest_word_is_suggested() -> None:
    assert did_you_mean("Min_Repeat", ["min_repeats", "other"]) == "; did you mean `min_repeats`?"
    assert did_you_mean("xyzzy", ["min_repeats"]) == ""
    assert did_you_mean("x" * 1_000_000, ["min_repeats"]) == ""


def test_how_near_a_suggestion_must_be_can_be_asked_for() -> None:
    assert did_you_mean("min_repats", ["min_repeats"], 0.9) == "; did you mean `min_repeats`?"
    assert did_you_mean("min_rests", ["min_repeats"]) == "; did you mean `min_repeats`?"
    assert did_you_mean("min_rests", ["min_repeats"], 0.91) == ""


def test_a_problem_inside_a_text_is_never_empty() -> None:
    assert (ConfigProblem("x", 3, 3).start, ConfigProblem("x", 3, 3).end) == (3, 4)
