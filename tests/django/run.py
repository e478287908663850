"""Play the shop's scenes on one engine and print what came of them: `python -m tests.django.run ENGINE`.

{"scene": "json_lookups", "result": "[['Ada'], ...]"}      a line a scene; "error" with a traceback if it failed
"""

from __future__ import annotations

import json
import sys
import traceback

import django
from django.conf import settings


def main(engine: str) -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": engine, "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "tests.django.shop",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="tests.django.shop.urls",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of the tests",
        STATIC_URL="/static/",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    from tests.django.shop.scenes import SCENES

    for name, play in SCENES.items():
        try:
            line = {"scene": name, "result": repr(play())}
        except Exception:
            line = {"scene": name, "error": traceback.format_exc()}
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
