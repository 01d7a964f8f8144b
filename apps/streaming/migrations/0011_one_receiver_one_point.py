"""Publishing points are told apart by who receives them, and no more by how an address is written.

What is on air keeps its old point when a neighbour has the new one: both were let on air, and the
next start says so.
"""

from django.core.exceptions import ImproperlyConfigured
from django.db import migrations

from apps.streaming.destinations import DestinationRefused, fingerprint


def renew(apps, schema_editor):
    Destination = apps.get_model("streaming", "Destination")
    Output = apps.get_model("streaming", "Output")
    for pk in list(Destination.objects.exclude(fingerprint="").values_list("pk", flat=True)):
        try:
            destination = Destination.objects.get(pk=pk)
            renewed = fingerprint(destination.address, destination.key)
        except (ImproperlyConfigured, DestinationRefused):
            continue  # whoever enters its key again renews it
        old = destination.fingerprint
        if renewed == old:
            continue
        Destination.objects.filter(pk=pk).update(fingerprint=renewed)
        on_air = Output.objects.filter(destination_id=pk, publishing_point=old)
        if not Output.objects.filter(publishing_point=renewed).exists():
            on_air.update(publishing_point=renewed)


class Migration(migrations.Migration):
    dependencies = [("streaming", "0010_title_cards")]

    operations = [migrations.RunPython(renew, migrations.RunPython.noop)]
