"""A bookshop on Django and psycopg, in one file: a foreign key that becomes an N+1, inserts in a transaction.

Books sit behind a view that waits a few milliseconds inside PostgreSQL, as a database across a network does, so
that the durations in the recording are measured ones.
"""

from __future__ import annotations

import os
import sys

import django
from app import USER, request, serving, tracing
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from opentelemetry import trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor

BOOKS = 15
SCHEMA = f"""
    create table author_rows (id bigint primary key, name text);
    create view author as select a.* from author_rows a, pg_sleep(0.004) pause;
    create table book (id bigserial primary key, author_id bigint, title text);
    insert into author_rows select i, 'Author ' || i from generate_series(1, {BOOKS}) i;
    insert into book (author_id, title) select i, 'Book ' || i from generate_series(1, {BOOKS}) i;
"""

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["PGHOST"],
            "PORT": os.environ["PGPORT"],
            "USER": os.environ["PGUSER"],
            "NAME": os.environ["PGDATABASE"],
            "CONN_MAX_AGE": None,
        }
    },
    ROOT_URLCONF="django_app",
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="not-a-secret",
    MIDDLEWARE=["django_app.NameTheUser"],
)
sys.modules["django_app"] = sys.modules[__name__]  # Django imports its URLs and middleware by name
django.setup()

from django.db import connection, models, transaction  # noqa: E402 - needs the settings
from django.http import HttpRequest, HttpResponse  # noqa: E402 - needs the settings
from django.urls import path  # noqa: E402 - needs the settings


class NameTheUser:
    """Middleware that puts the user onto the server span."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, incoming: HttpRequest) -> HttpResponse:
        trace.get_current_span().set_attributes({"user.id": USER, "session.id": f"sess_of_{USER}"})
        return self.get_response(incoming)


class Author(models.Model):
    """Writes books."""

    name = models.TextField()

    class Meta:
        """Where it lives."""

        app_label = "bookshop"
        db_table = "author"
        managed = False


class Book(models.Model):
    """Is written by an author."""

    author = models.ForeignKey(Author, on_delete=models.DO_NOTHING)
    title = models.TextField()

    class Meta:
        """Where it lives."""

        app_label = "bookshop"
        db_table = "book"
        managed = False


def one_by_one(incoming: HttpRequest) -> HttpResponse:
    """The N+1: every book asks for its author."""
    return HttpResponse(", ".join(book.author.name for book in Book.objects.all()))


def together(incoming: HttpRequest) -> HttpResponse:
    """The same answer from one statement."""
    return HttpResponse(", ".join(book.author.name for book in Book.objects.select_related("author")))


def order(incoming: HttpRequest, order_id: int) -> HttpResponse:
    """One insert a book, inside a transaction."""
    with transaction.atomic():
        for number in range(10):
            Book.objects.create(author_id=order_id, title=f"Copy {number}")
    return HttpResponse("ordered")


def report(incoming: HttpRequest) -> HttpResponse:
    """A slow statement, with a `%` of its own beside the placeholders."""
    with connection.cursor() as cursor:
        statement = "select count(*), pg_sleep(%s) from book where title like 'Book %%' and id > %s"
        cursor.execute(statement, [0.6, 0])
        return HttpResponse(str(cursor.fetchone()))


def broken(incoming: HttpRequest) -> HttpResponse:
    """A statement that PostgreSQL refuses."""
    with connection.cursor() as cursor:
        cursor.execute("select price from prices where book_id = %(book)s", {"book": 3})
    return HttpResponse("never")


urlpatterns = [
    path("books/", one_by_one),
    path("books/together/", together),
    path("orders/<int:order_id>/", order),
    path("report/", report),
    path("broken/", broken),
]


def main() -> None:
    """Fill the database before anything is traced, then ask for each page once."""
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
    connection.close()
    with tracing("bookshop") as provider:
        PsycopgInstrumentor().instrument(tracer_provider=provider)
        DjangoInstrumentor().instrument(tracer_provider=provider)
        with serving(get_wsgi_application()) as url:
            for page in ("books/", "books/together/", "orders/7/", "report/", "broken/"):
                request(f"{url}/{page}")


if __name__ == "__main__":
    main()
