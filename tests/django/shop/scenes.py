"""Scenes: what a project does with its database, each a function that returns what came of it.

    python -m tests.django.run ENGINE   plays them all in order on one test database and prints their results as JSON

A scene may find what those before it left behind. The results must be the same on Django's SQLite backend.
"""

from __future__ import annotations

import datetime
import decimal
import io
import json
import re
import threading
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import IntegrityError, NotSupportedError, connection, models, transaction
from django.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    StdDev,
    Subquery,
    Sum,
    Value,
    Variance,
    When,
    Window,
)
from django.db.models import functions as f
from django.test import Client

from tests.django.shop.models import Customer, Line, Order, Product, Tag

SCENES: dict[str, Callable[[], Any]] = {}
UTC = datetime.UTC


def scene(play: Callable[[], Any]) -> Callable[[], Any]:
    SCENES[play.__name__] = play
    return play


def failure(work: Callable[[], Any]) -> str:
    """Run something that should fail; say how it did."""
    try:
        with transaction.atomic():
            return f"no error: {work()!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def schema() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name LIKE '%%shop%%' ORDER BY 1, 2")
        return cursor.fetchall()


def output_of(*command: str, **options: Any) -> str:
    text = io.StringIO()
    call_command(*command, stdout=text, **options)
    return text.getvalue()


@scene
def migrate_with_rows() -> Any:
    results: list[Any] = [schema()]
    call_command("migrate", "shop", "0001", verbosity=0)
    results.append(schema())
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO shop_client (first_name, last_name, email, obsolete) VALUES (%s, %s, %s, 1)",
            [("Ada", "Byron", "ada@example.org"), ("Bo", "", None)],
        )
        cursor.execute("INSERT INTO shop_order (client_id, day, paid) VALUES (%(who)s, '2024-02-29', 1)", {"who": 1})
        cursor.execute("INSERT INTO shop_product (code, title, price, stock) VALUES (%s, '100%%', 9.5, 3)", ["0" * 32])
    for target in ("0002", "0003", "0001", "0003"):
        call_command("migrate", "shop", target, verbosity=0)
        results.append(schema())
    results.append(list(Customer.objects.values_list("id", "name", "email", "profile")))
    results.append(list(Product.objects.values_list("title", "price", "stock")))
    results.append(list(Order.objects.values_list("customer__name", "day", "hour", "note")))
    results.append(output_of("showmigrations", "shop"))
    results.append(output_of("makemigrations", "shop", dry_run=True))
    Order.objects.all().delete()
    Customer.objects.all().delete()
    Product.objects.all().delete()
    return results


@scene
def fill() -> Any:
    Tag.objects.bulk_create([Tag(word) for word in ("red", "green", "blue")])
    ada = Customer.objects.create(
        name="Ada",
        email="ada@example.org",
        joined=datetime.datetime(2023, 12, 31, 23, 30, tzinfo=UTC),
        profile={"size": 38, "likes": ["tea", "maps"], "address": {"city": "Turku", "zip": None}},
    )
    Customer.objects.create(name="Bo", sponsor=ada, profile={"size": 44.5, "likes": []})
    Customer.objects.create(name="Çelik", sponsor=ada, profile=[1, "two", None, True])
    products = [
        Product(
            code=uuid.UUID(int=number),
            title=f"thing {number}",
            price=decimal.Decimal(number) * 3 / 2,
            stock=number % 3,
            picture=bytes([number, 0, 255]),
            shelf_life=datetime.timedelta(days=number, microseconds=1),
        )
        for number in range(1, 8)
    ]
    Product.objects.bulk_create(products, batch_size=3)
    for number, product in enumerate(Product.objects.all()):
        product.tags.set(Tag.objects.order_by("word")[: number % 4])
    for number in range(12):
        order = Order.objects.create(
            customer=Customer.objects.all()[number % 3],
            day=datetime.date(2024, 1 + number % 5, 1 + 2 * number),
            hour=datetime.time(number, 30),
            paid=number % 2 == 0,
        )
        for step in range(1 + number % 3):
            Line.objects.create(order=order, product=Product.objects.all()[(number + step) % 7], quantity=step + 1)
    return [model.objects.count() for model in (Customer, Product, Order, Line, Tag)]


@scene
def values_of_every_type() -> Any:
    return [
        list(Product.objects.values_list("code", "price", "picture", "shelf_life", "stock")[:3]),
        list(Order.objects.values_list("day", "hour", "paid")[:3]),
        list(Customer.objects.values_list("joined", "profile")),
        [type(value).__name__ for value in Product.objects.values_list("code", "price", "picture", "shelf_life")[0]],
    ]


@scene
def json_lookups() -> Any:
    names = Customer.objects.values_list("name", flat=True)
    results = [
        list(names.filter(**{lookup: value}))
        for lookup, value in (
            ("profile__size", 38),
            ("profile__size__gt", 40),
            ("profile__likes__0", "tea"),
            ("profile__1", "two"),
            ("profile__address__city", "Turku"),
            ("profile__address__city__startswith", "Tu"),
            ("profile__address__zip", None),
            ("profile__address__zip__isnull", True),
            ("profile__has_key", "size"),
            ("profile__has_keys", ["size", "likes"]),
            ("profile__has_any_keys", ["address", "none"]),
            ("profile", [1, "two", None, True]),
            ("profile__3", True),
            ("profile__size__in", [38, 1]),
            ("profile__likes", []),
            ("profile__address__city__iregex", "^tur"),
            ("profile__isnull", False),
        )
    ]
    results.append(failure(lambda: list(names.filter(profile__contains={"size": 38}))))
    results.append(list(Customer.objects.order_by("-profile__size").values_list("profile__size", "profile__likes")))
    results.append(list(Customer.objects.values("profile__size").annotate(count=Count("id")).order_by("profile__size")))
    Customer.objects.filter(name="Bo").update(profile=Value({"new": 1}, models.JSONField()))
    results.append(Customer.objects.get(name="Bo").profile)
    results.append(
        failure(lambda: connection.cursor().execute("UPDATE shop_customer SET profile = '{bad' WHERE id > 0"))
    )
    return results


@scene
def aggregation() -> Any:
    lines = Line.objects.annotate(cost=F("quantity") * F("product__price"))
    totals = Order.objects.annotate(
        total=Sum(F("lines__quantity") * F("lines__product__price")), kinds=Count("lines__product", distinct=True)
    )
    month = f.TruncMonth("day")
    rank = Window(f.Rank(), partition_by="customer", order_by="-day")
    running = Window(Sum("quantity"), order_by="id")
    return [
        lines.aggregate(Sum("cost"), Avg("cost"), Min("cost"), Max("cost"), StdDev("quantity"), Variance("quantity")),
        Line.objects.aggregate(some=Sum("quantity", filter=Q(order__paid=True)), none=Sum("id", filter=Q(id=0))),
        list(totals.order_by("id").values_list("id", "total", "kinds")),
        list(Customer.objects.annotate(n=Count("orders")).filter(n__gte=4).order_by("id").values_list("name", "n")),
        list(Order.objects.annotate(m=month).values("m").annotate(n=Count("id"), p=Sum("paid")).order_by("m")),
        list(
            Order.objects.values("day__week_day", "day__quarter").annotate(n=Count("*")).order_by("n", "day__week_day")
        ),
        list(Order.objects.annotate(r=rank).values_list("customer_id", "id", "r").order_by("customer_id", "r")),
        list(Line.objects.annotate(s=running).values_list("id", "s")),
        list(
            Customer.objects.annotate(
                latest=Subquery(Order.objects.filter(customer=OuterRef("pk")).order_by("-day").values("day")[:1])
            ).values_list("name", "latest")
        ),
        list(Product.objects.filter(Exists(Line.objects.filter(product=OuterRef("pk"), quantity=3))).values_list("id")),
        list(
            Product.objects.annotate(
                kind=Case(
                    When(stock=0, then=Value("none")), When(price__gt=6, then=Value("dear")), default=Value("cheap")
                )
            )
            .values_list("kind")
            .annotate(Count("id"))
            .order_by("kind")
        ),
        list(Tag.objects.filter(word="red").values("word").union(Product.objects.order_by().values("title"))),
        list(Tag.objects.annotate(n=Count("products")).order_by("-n", "word").values_list("word", "n")),
    ]


@scene
def database_functions() -> Any:
    chosen = Customer.objects.filter(joined__isnull=False).annotate(
        year=f.ExtractYear("joined"),
        iso=f.ExtractIsoYear("joined"),
        hour=f.TruncHour("joined"),
        upper=f.Upper("name"),
        padded=f.LPad("name", 6, Value("*")),
        md5=f.MD5("name"),
        length=f.Length("email"),
        found=f.StrIndex("email", Value("@")),
        both=f.Concat("name", Value("-"), "email", output_field=models.TextField()),
        left=f.Left("email", 3),
        number=f.Cast("profile__size", models.IntegerField()),
        power=f.Power(Value(2), Value(10)),
        none=f.NullIf("name", Value("Ada")),
        root=f.Round(f.Sqrt(Value(2.0)), 3),
        log=f.Round(f.Ln(Value(3.0)), 3),
        least=f.Least(Value(3), Value(2)),
    )
    return [
        list(chosen.values()),
        list(Customer.objects.filter(joined__year=2023, joined__hour__gte=23).values_list("name")),
        list(Customer.objects.filter(joined__date=datetime.date(2023, 12, 31)).values_list("name")),
        list(Customer.objects.filter(name__iregex="^[ab]").values_list("name")),
        list(Customer.objects.filter(name__icontains="A", email__endswith=".org").values_list("name")),
        list(Product.objects.annotate(d=F("shelf_life") + datetime.timedelta(hours=1)).values_list("d")[:2]),
        list(Order.objects.annotate(d=F("day") - datetime.date(2024, 1, 1)).values_list("d")[:3]),
    ]


@scene
def deferred_foreign_keys() -> Any:
    results = []
    with transaction.atomic():
        Order(id=900, customer_id=900, day=datetime.date(2024, 1, 1)).save(force_insert=True)
        Customer(id=900, name="late").save(force_insert=True)
    results.append(Order.objects.get(id=900).customer.name)
    results.append(failure(lambda: Order(customer_id=901, day=datetime.date(2024, 1, 1)).save()))
    results.append(Order.objects.filter(customer_id=901).count())
    with connection.constraint_checks_disabled():
        Order(id=902, customer_id=902, day=datetime.date(2024, 1, 1)).save(force_insert=True)
        results.append(failure(connection.check_constraints))
        Order.objects.filter(id=902).delete()
    connection.check_constraints()
    results.append(failure(lambda: Product.objects.filter(line__isnull=False).first().delete())[:60])
    results.append(Customer.objects.get(id=900).delete())
    text = output_of("dumpdata", "shop", use_natural_foreign_keys=True)
    results.append(len(json.loads(text)))
    return results


@scene
def constraints() -> Any:
    first = Product.objects.get(title="thing 1")
    return [
        failure(lambda: Customer.objects.create(name="ADA")),
        failure(lambda: Customer.objects.create(name="x", email="ada@example.org")),
        failure(lambda: Product.objects.filter(id=first.id).update(price=-1)),
        failure(lambda: Product.objects.create(code=uuid.uuid4(), title="thing 1", price=1, stock=1)),
        failure(lambda: Product.objects.create(code=first.code, title="again", price=1)),
        failure(
            lambda: Line.objects.create(
                order_id=Line.objects.all()[0].order_id, product_id=Line.objects.all()[0].product_id, quantity=1
            )
        ),
        failure(lambda: Line.objects.filter(id=1).update(quantity=-1)),
        failure(lambda: Order.objects.create(customer=None, day=None)),
        issubclass(IntegrityError, Exception),
        issubclass(NotSupportedError, Exception),
    ]


@scene
def transactions() -> Any:
    results: list[Any] = []
    done: list[str] = []
    try:
        with transaction.atomic():
            Tag.objects.create(word="outer")
            try:
                with transaction.atomic():
                    Tag.objects.create(word="inner")
                    raise ValueError
            except ValueError:
                results.append(sorted(Tag.objects.values_list("word", flat=True)))
            transaction.on_commit(lambda: done.append("never"))
            raise KeyError
    except KeyError:
        results.append(sorted(Tag.objects.values_list("word", flat=True)))
    with transaction.atomic():
        transaction.on_commit(lambda: done.append("once"))
        save = transaction.savepoint()
        Tag.objects.create(word="kept")
        transaction.savepoint_commit(save)
        save = transaction.savepoint()
        Tag.objects.create(word="undone")
        transaction.savepoint_rollback(save)
    results.append(sorted(Tag.objects.values_list("word", flat=True)))
    transaction.set_autocommit(False)
    Tag.objects.filter(word="kept").delete()
    transaction.rollback()
    Tag.objects.filter(word="kept").update(word="renamed")
    transaction.commit()
    transaction.set_autocommit(True)
    results.append(sorted(Tag.objects.values_list("word", flat=True)))
    with transaction.atomic():
        results.append(failure(lambda: Tag.objects.create(word="red")))
        results.append(list(Tag.objects.select_for_update().filter(word="red").values_list("word", flat=True)))
    return [*results, done]


@scene
def bulk_work() -> Any:
    rows = [Product(code=uuid.UUID(int=100 + number), title=f"bulk {number}", price=1) for number in range(1200)]
    made = Product.objects.bulk_create(rows)
    results: list[Any] = [len(made), made[-1].pk is not None, Product.objects.filter(title__startswith="bulk").count()]
    Product.objects.bulk_create(
        rows[:5] + [Product(code=uuid.UUID(int=9), title="one", price=2)], ignore_conflicts=True
    )
    Product.objects.bulk_create(
        [Product(code=uuid.UUID(int=100), title="changed", price=5)],
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["title", "price"],
    )
    results.append(list(Product.objects.filter(title="changed").values_list("code", "price")))
    found = Product.objects.in_bulk([row.code for row in rows], field_name="code")
    results.append(len(found))
    for product in found.values():
        product.price += 1
    results.append(Product.objects.bulk_update(found.values(), ["price"], batch_size=300))
    results.append(Product.objects.filter(id__in=[product.id for product in found.values()]).aggregate(Sum("price")))
    results.append(sum(1 for _ in Product.objects.filter(price__gte=2).iterator(chunk_size=50)))
    results.append(Product.objects.filter(code__in=list(found)).delete())
    results.append(Product.objects.update_or_create(code=uuid.UUID(int=9), defaults={"title": "two", "price": 3})[1])
    results.append(Product.objects.get_or_create(code=uuid.UUID(int=9), defaults={"title": "3", "price": 3})[1])
    return results


@scene
def introspection() -> Any:
    with connection.cursor() as cursor:
        described = [
            (
                table,
                connection.introspection.get_constraints(cursor, table),
                connection.introspection.get_relations(cursor, table),
                connection.introspection.get_table_description(cursor, table),
            )
            for table in ("shop_order", "shop_product", "shop_customer", "shop_line")
        ]
        sequences = connection.introspection.get_sequences(cursor, "shop_order")
    written = re.sub(r" at 0x[0-9a-f]+", "", repr(described))  # some of Django's constants have no repr of their own
    return [written, sequences, output_of("inspectdb", "shop_order", "shop_line", "shop_product")]


@scene
def fixtures() -> Any:
    text = output_of("dumpdata", "shop")
    call_command("flush", verbosity=0, interactive=False)
    emptied = Customer.objects.count()
    objects = sort_tags(json.loads(text))
    objects.reverse()  # children before their parents
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shop.json"
        path.write_text(json.dumps(objects), encoding="utf-8")
        loaded = output_of("loaddata", str(path))
    again = sort_tags(json.loads(output_of("dumpdata", "shop")))
    order = lambda entry: (entry["model"], str(entry["pk"]))  # noqa: E731
    return [emptied, loaded, sorted(again, key=order) == sorted(objects, key=order), len(again)]


def sort_tags(objects: list[Any]) -> list[Any]:
    """Sort what is read without an ORDER BY."""
    for entry in objects:
        entry["fields"].get("tags", []).sort()
    return objects


@scene
def accounts_and_admin() -> Any:
    user = User.objects.create_superuser("root", "root@example.org", "secret")
    user.groups.add(Group.objects.create(name="staff"))
    client = Client()
    results = [client.login(username="root", password="wrong"), client.login(username="root", password="secret")]
    for path in ("/admin/", "/admin/auth/user/?q=root&is_staff__exact=1", "/admin/auth/user/add/"):
        results.append(client.get(path).status_code)
    form = {
        "username": "second",
        "password1": "tulip-9-bridge",
        "password2": "tulip-9-bridge",
        "usable_password": "true",
    }
    results.append(client.post("/admin/auth/user/add/", form).status_code)
    results.append(list(User.objects.order_by("id").values_list("username", "is_staff")))
    client.logout()
    return results


@scene
def threads() -> Any:
    """The shared test database, seen through another thread's connection."""
    seen: list[Any] = []

    def visit() -> None:
        try:
            Tag.objects.create(word="from-a-thread")
            seen.append(Customer.objects.count())
        finally:
            connection.close()

    thread = threading.Thread(target=visit)
    thread.start()
    thread.join()
    return [seen, Tag.objects.filter(word="from-a-thread").count()]
