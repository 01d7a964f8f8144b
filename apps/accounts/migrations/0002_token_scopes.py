from django.db import migrations, models

SCOPES = {
    "viewer": ["read"],
    "editor": ["read", "library", "streams"],
    "owner": ["read", "library", "streams", "admin"],
}


def scopes_from_role(apps, schema_editor):
    tokens = apps.get_model("accounts", "ApiToken").objects
    for role, scopes in SCOPES.items():
        tokens.filter(role=role).update(scopes=scopes)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AddField("apitoken", "scopes", models.JSONField(default=list)),
        migrations.RunPython(scopes_from_role, migrations.RunPython.noop),
        migrations.RemoveField("apitoken", "role"),
    ]
