"""Customers, products, orders: fields of every kind that the SQLite backend treats in a way of its own."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower


class Customer(models.Model):
    name = models.CharField(max_length=80)
    email = models.EmailField(unique=True, null=True)
    joined = models.DateTimeField(null=True)
    profile = models.JSONField(default=dict)
    sponsor = models.ForeignKey("self", models.SET_NULL, null=True, related_name="sponsored")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(Lower("name"), name="customer_name")]


class Tag(models.Model):
    word = models.SlugField(primary_key=True)


class Product(models.Model):
    code = models.UUIDField(unique=True)
    title = models.CharField(max_length=80, db_index=True)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.PositiveIntegerField(default=0)
    picture = models.BinaryField(null=True)
    shelf_life = models.DurationField(null=True)
    tags = models.ManyToManyField(Tag, related_name="products")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(price__gte=0), name="price_not_negative"),
            models.UniqueConstraint(fields=["title"], condition=models.Q(stock__gt=0), name="title_in_stock"),
        ]


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")
    day = models.DateField()
    hour = models.TimeField(null=True)
    paid = models.BooleanField(default=False)
    note = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["day", "-paid"], name="order_day")]


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["id"]
        unique_together = [("order", "product")]
