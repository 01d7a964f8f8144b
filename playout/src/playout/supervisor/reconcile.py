"""What to do about the difference between what is wished and what runs: a pure decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playout.supervisor.ports import DesiredOutput, Lease


@dataclass(frozen=True, slots=True)
class Running:
    """An output as a pump has it."""

    token: int
    generation: int
    finished: bool = False
    """Its programme is over or its settings are wrong; kept so that it is not begun again."""
    stopping: bool = False
    unknown: bool = False
    """Its pump does not answer and may still be sending: nothing is decided about it."""


@dataclass(frozen=True, slots=True)
class SetOutput:
    """Start the output, or bring it to this generation."""

    desired: DesiredOutput


@dataclass(frozen=True, slots=True)
class DropOutput:
    """End the output; without a farewell when the lease is gone."""

    output_id: str
    graceful: bool


@dataclass(frozen=True, slots=True)
class ReleaseLease:
    """Nothing runs and nothing is wished: let others have it."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class AwaitMedia:
    """Wished, but there is nothing local to play yet."""

    desired: DesiredOutput


Action = SetOutput | DropOutput | ReleaseLease | AwaitMedia


def reconcile(
    held: Sequence[Lease],
    desired: Sequence[DesiredOutput],
    running: Mapping[str, Running],
) -> list[Action]:
    """The actions that bring `running` to what is `desired` under the leases that are `held`.

    Asking again with unchanged input gives the same actions, and carrying them out twice does
    no harm.
    """
    silent = {output_id for output_id, has in running.items() if has.unknown}
    leases = {lease.output_id: lease for lease in held if lease.output_id not in silent}
    running = {output_id: has for output_id, has in running.items() if output_id not in silent}
    wishes = {wish.output_id: wish for wish in desired}
    actions: list[Action] = [
        DropOutput(output_id, graceful=False)
        for output_id, has in running.items()
        if output_id not in leases and not (has.stopping or has.finished)
    ]
    actions += [
        DropOutput(output_id, graceful=True)
        for output_id, has in running.items()
        if output_id not in leases and has.finished
    ]
    for output_id, lease in leases.items():
        wish, has = wishes.get(output_id), running.get(output_id)
        if wish is None or not wish.on:
            if has is None:
                actions.append(ReleaseLease(lease))
            elif not has.stopping:
                actions.append(DropOutput(output_id, graceful=True))
        elif wish.programme is None:
            if has is None:
                actions.append(AwaitMedia(wish))
        elif has is None or (
            not has.stopping and (has.token, has.generation) != (wish.token, wish.generation)
        ):
            actions.append(SetOutput(wish))
    return actions
