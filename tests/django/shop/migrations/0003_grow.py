"""New columns, tables, indexes and constraints on tables that have rows."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_rename")]
    operations = [
        migrations.CreateModel(name="Tag", fields=[("word", models.SlugField(primary_key=True, serialize=False))]),
        migrations.AddField("Customer", "joined", models.DateTimeField(null=True)),
        migrations.AddField("Customer", "profile", models.JSONField(default=dict)),
        migrations.AddField(
            "Customer",
            "sponsor",
            models.ForeignKey("shop.Customer", django.db.models.deletion.SET_NULL, null=True, related_name="sponsored"),
        ),
        migrations.AlterModelOptions("Customer", {"ordering": ["id"]}),
        migrations.AddConstraint("Customer", models.UniqueConstraint(Lower("name"), name="customer_name")),
        migrations.AlterField("Product", "price", models.DecimalField(max_digits=8, decimal_places=2)),
        migrations.AlterField("Product", "title", models.CharField(max_length=80, db_index=True)),
        migrations.AddField("Product", "picture", models.BinaryField(null=True)),
        migrations.AddField("Product", "shelf_life", models.DurationField(null=True)),
        migrations.AddField("Product", "tags", models.ManyToManyField("shop.Tag", related_name="products")),
        migrations.AlterModelOptions("Product", {"ordering": ["id"]}),
        migrations.AddConstraint(
            "Product", models.CheckConstraint(condition=models.Q(price__gte=0), name="price_not_negative")
        ),
        migrations.AddConstraint(
            "Product",
            models.UniqueConstraint(fields=["title"], condition=models.Q(stock__gt=0), name="title_in_stock"),
        ),
        migrations.AddField("Order", "hour", models.TimeField(null=True)),
        migrations.AddField("Order", "note", models.TextField(blank=True, default="")),
        migrations.AlterModelOptions("Order", {"ordering": ["id"]}),
        migrations.AddIndex("Order", models.Index(fields=["day", "-paid"], name="order_day")),
        migrations.AlterModelOptions("Line", {"ordering": ["id"]}),
    ]
