"""Nothing that a disk, a peer or a user sends makes a parser fail in a way it does not document.

FUZZ_ROUNDS sets how many mutations each target gets, FUZZ_SEED where they begin. What breaks a
target is written to corpus/, and is part of every later run.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
import tracemalloc
from pathlib import Path

import pytest

from fuzz.mutate import mutated
from fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "800"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
MOST_SECONDS = 2.0
MOST_BYTES = 16 << 20


def corpus_of(target: Target) -> list[bytes]:
    files = sorted((CORPUS / target.name).glob("*.bin"))
    return [*target.seeds(), *(file.read_bytes() for file in files)]


def attack(target: Target, data: bytes) -> bool:
    """Whether the target took `data` for good; raises when it failed as it must not."""
    began = time.process_time()
    try:
        target.take(data)
    except target.allowed:
        return False
    finally:
        took = time.process_time() - began
        assert took < MOST_SECONDS, f"{len(data)} bytes kept {target.name} busy for {took:.1f} s"
    return True


def keep(target: Target, data: bytes) -> Path:
    name = hashlib.sha256(data).hexdigest()[:12]
    file = CORPUS / target.name / f"{name}.bin"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def fuzz(target: Target, rounds: int, seed: int) -> None:
    corpus = corpus_of(target)
    chance = random.Random(f"{target.name} {seed}")
    survivors = list(corpus)
    for _ in range(rounds):
        data = mutated(chance.choice(survivors), corpus, chance)
        try:
            if attack(target, data) and len(survivors) < 400:
                # What is still valid leads deeper than what is refused at once.
                survivors.append(data)
        except Exception as error:
            raise AssertionError(f"{target.name} broke on {keep(target, data)}") from error


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_broke_once_does_not_break_again(target: Target) -> None:
    for data in corpus_of(target):
        attack(target, data)
    assert any(attack(target, data) for data in target.seeds()), "its seeds must be valid"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_mutations_raise_documented_errors_only(target: Target) -> None:
    fuzz(target, ROUNDS, SEED)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_mutations_take_bounded_memory(target: Target) -> None:
    corpus, chance = corpus_of(target), random.Random(f"{target.name} memory")
    tracemalloc.start()
    try:
        for _ in range(60):
            data = mutated(chance.choice(corpus), corpus, chance)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            attack(target, data)
            assert tracemalloc.get_traced_memory()[1] - before < MOST_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_fifty_times_as_many_mutations(target: Target) -> None:
    for seed in range(1000, 1050):
        fuzz(target, ROUNDS, seed)
