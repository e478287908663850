"""Renames, a column moved into another with the rows that are there, and its removal: tables are remade."""

from django.db import migrations, models
from django.db.models import F, Value
from django.db.models.functions import Concat, Trim


def join_names(apps, schema_editor):
    customer = apps.get_model("shop", "Customer")
    customer.objects.update(name=Trim(Concat(F("name"), Value(" "), F("last_name"))))


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.RenameModel("Client", "Customer"),
        migrations.RenameField("Customer", "first_name", "name"),
        migrations.AlterField("Customer", "name", models.CharField(max_length=80)),
        migrations.RunPython(join_names, migrations.RunPython.noop, elidable=False),
        migrations.RemoveField("Customer", "last_name"),
        migrations.RemoveField("Customer", "obsolete"),
        migrations.RenameField("Order", "client", "customer"),
        migrations.AlterField("Customer", "email", models.EmailField(max_length=254, null=True, unique=True)),
    ]
