"""`manage.py drain_node`: have a node give its streams away, one by one."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.streaming.models import Node, Output
from apps.streaming.selectors import NODE_ALIVE


class Command(BaseCommand):
    """Marks the node as draining and waits until it holds nothing.

    It takes no new outputs from now on, and ends those it has one at a time while another node is
    there to take them. A restart of the node ends the draining; so does `--undo`.
    """

    help = "Move all streams from a node to the others, for maintenance."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which node, and how long to wait."""
        parser.add_argument("node", nargs="?", help="id or name; needed when there are several")
        parser.add_argument("--undo", action="store_true", help="let the node take outputs again")
        parser.add_argument(
            "--forget", action="store_true", help="remove a node that was stopped for good"
        )
        parser.add_argument("--wait", type=float, default=600.0, help="seconds to wait for it")

    def handle(
        self,
        *args: Any,
        node: str | None = None,
        undo: bool = False,
        forget: bool = False,
        wait: float = 600.0,
        **options: Any,
    ) -> None:
        """Drain, and say how it goes."""
        found = _find(node)
        if forget:
            _forget(found)
            self.stdout.write(f"{found.name} is no longer registered.")
            return
        Node.objects.filter(pk=found.pk).update(draining=not undo)
        if undo:
            self.stdout.write(f"{found.name} takes streams again.")
            return
        others = Node.objects.filter(draining=False, last_seen__gt=timezone.now() - NODE_ALIVE)
        if not others.exclude(pk=found.pk).exists() and Output.objects.filter(node=found.pk):
            self.stderr.write(
                "No other node is there to take the streams. They stay on air here until one comes."
            )
        deadline = time.monotonic() + wait
        last = -1
        while (left := Output.objects.filter(node=found.pk).count()) > 0:
            if left != last:
                self.stdout.write(f"{left} streams left on {found.name}.")
                last = left
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{left} streams are still on {found.name} after {wait:g} s. It goes on giving "
                    "them away; run this again to wait longer."
                )
            time.sleep(0.5)
        self.stdout.write(f"{found.name} holds no stream. It can be stopped.")


def _forget(node: Node) -> None:
    """Others may hold on during an outage of the database only when nobody else is registered."""
    alive = node.last_seen is not None and timezone.now() - node.last_seen <= NODE_ALIVE
    if alive or Output.objects.filter(node=node.pk).exists():
        raise CommandError(
            f"{node.name} is still there. Drain it, stop it, and forget it half a minute later."
        )
    node.delete()


def _find(name: str | None) -> Node:
    nodes = list(Node.objects.all())
    if name is not None:
        nodes = [node for node in nodes if name in (node.pk, node.name)]
    if not nodes:
        raise CommandError("There is no such node. `manage.py doctor` lists the nodes.")
    if len(nodes) > 1:
        names = ", ".join(f"{node.name} ({node.pk})" for node in nodes)
        raise CommandError(f"Which one? Give the id of one of these: {names}.")
    return nodes[0]
