"""What the command that runs the simulations says, and when it says that something broke."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from playout.testing import air_simulation, control_simulation, lab, simulate, soak


@pytest.mark.parametrize(
    "senseless",
    [
        ["air", "--seeds", "0"],
        ["air", "--seeds", "-3"],
        ["control", "--seed", "-1"],
        ["air", "--minutes", "0"],
        ["air", "--minutes", "nan"],
        ["control", "--days", "-1"],
        ["control", "--days", "inf"],
        ["air", "--days", "1"],
        ["control", "--minutes", "1"],
    ],
)
def test_what_would_prove_nothing_is_wrong_usage(
    senseless: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        simulate.main(senseless)
    assert ended.value.code == 2
    assert senseless[1] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "senseless"),
    [
        (soak.main, ["--hours", "0"]),
        (soak.main, ["--hours", "nan"]),
        (soak.main, ["--streams", "0"]),
        (lab.main, ["--at-once", "0"]),
    ],
)
@pytest.mark.timeout(20)
def test_neither_soak_nor_lab_takes_what_would_prove_nothing(
    command: Callable[[Sequence[str]], int],
    senseless: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(senseless)
    assert ended.value.code == 2
    assert senseless[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("short", "checked"),
    [
        (["air", "--minutes", "0.5"], air_simulation.CHECKED),
        (["control", "--days", "0.2"], control_simulation.CHECKED),
    ],
)
def test_it_says_what_it_checked(
    short: list[str], checked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate.main([*short, "--seed", "3", "--seeds", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["seed 3", "seed 4"]
    assert lines[2].startswith("2 seeds, none broke anything. Checked:")
    assert [line.strip() for line in lines[3:]] == list(checked)
    assert checked[0].startswith("I1 ")


def test_a_seed_that_cannot_be_run_to_its_end_is_named_and_the_next_ones_are_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang_at_four(seed: int, *, days: float) -> control_simulation.Result:
        if seed == 4:
            raise RuntimeError("The loop turns and turns without ever waiting.")
        return real(seed, days=days)

    real = control_simulation.simulate
    monkeypatch.setattr(control_simulation, "simulate", hang_at_four)
    assert simulate.main(["control", "--days", "0.1", "--seed", "3", "--seeds", "3"]) == 1
    said = capsys.readouterr().out
    assert "seed 4: ended by RuntimeError: The loop turns" in said
    assert "seed 5: 0 violations" in said
    assert "3 seeds, 1 broke something (4)." in said
