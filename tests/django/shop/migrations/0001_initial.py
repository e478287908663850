"""The first version: names and types that later migrations change."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Client",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("first_name", models.CharField(max_length=40)),
                ("last_name", models.CharField(max_length=40, default="")),
                ("email", models.CharField(max_length=100, null=True)),
                ("obsolete", models.IntegerField(default=7, db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("code", models.UUIDField(unique=True)),
                ("title", models.CharField(max_length=80)),
                ("price", models.FloatField()),
                ("stock", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "client",
                    models.ForeignKey("shop.Client", django.db.models.deletion.CASCADE, related_name="orders"),
                ),
                ("day", models.DateField()),
                ("paid", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="Line",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("order", models.ForeignKey("shop.Order", django.db.models.deletion.CASCADE, related_name="lines")),
                ("product", models.ForeignKey("shop.Product", django.db.models.deletion.PROTECT)),
                ("quantity", models.PositiveSmallIntegerField()),
            ],
            options={"unique_together": {("order", "product")}},
        ),
    ]
