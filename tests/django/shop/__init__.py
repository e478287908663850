"""The shop, a small Django project: its models, their history as migrations, and scenes played on them."""
