"""A bookshop on SQLAlchemy and SQLite: a lazy relation that becomes an N+1, and failures with Python stack traces.

Books sit behind a view that waits a few milliseconds inside SQLite, as a database across a network does, so that
the durations in the recording are measured ones.
"""

from __future__ import annotations

import time

import flask
from app import request, serving, traced_flask, tracing
from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from sqlalchemy import Engine, ForeignKey, create_engine, event, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from sqlalchemy.pool import StaticPool

AUTHORS = 15
SCHEMA = f"""
    create table authors (id integer primary key, name text);
    create table book_rows (id integer primary key, author_id integer, title text);
    create index by_author on book_rows (author_id);
    create view books as select b.* from book_rows b where waited(b.id);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < {AUTHORS})
        insert into authors select i, 'Author ' || i from n;
    insert into book_rows select id, id, 'Book of 100 % ' || name from authors;
"""


class Base(DeclarativeBase):
    """Registry of the tables."""


class Author(Base):
    """Writes books."""

    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    """Is written by an author."""

    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    title: Mapped[str]
    author: Mapped[Author] = relationship(back_populates="books")


class OutOfStockError(Exception):
    """The book cannot be sold."""


def engine(paramstyle: str) -> Engine:
    """An in-memory database whose statements carry `?` (qmark) or `:name` (named) placeholders."""
    arguments = {"check_same_thread": False}
    made = create_engine("sqlite://", paramstyle=paramstyle, poolclass=StaticPool, connect_args=arguments)

    @event.listens_for(made, "connect")
    def fill(connection, _record) -> None:
        connection.create_function("waited", 1, lambda _id: time.sleep(0.006) is None, deterministic=False)
        connection.executescript(SCHEMA)

    with made.connect():
        return made


def add_routes(application: flask.Flask, by_question_mark: Engine, by_name: Engine) -> None:
    """The shop's pages."""
    tracer = trace.get_tracer("bookshop", "1.2.3")

    def titles(made: Engine, *options: object) -> list[str]:
        with Session(made) as session:
            authors = session.scalars(select(Author).options(*options)).all()
            return [book.title for author in authors for book in author.books]

    @application.get("/authors")
    def authors_one_by_one() -> list[str]:
        return titles(by_question_mark)

    @application.get("/named/authors")
    def authors_one_by_one_with_named_parameters() -> list[str]:
        return titles(by_name)

    @application.get("/authors/together")
    def authors_together() -> list[str]:
        return titles(by_question_mark, selectinload(Author.books))

    @application.get("/search")
    def search() -> list[str]:
        statement = "select title from book_rows where title like '%100 \\% %' escape '\\' and id < :limit"
        with by_name.connect() as connection:
            return [row.title for row in connection.execute(text(statement), {"limit": 5})]

    @application.post("/orders")
    def order() -> list[str]:
        with tracer.start_as_current_span("place order"), by_question_mark.connect() as connection:
            try:
                connection.execute(text("select price from prices where book_id = :id"), {"id": 3})
            except Exception as error:
                raise OutOfStockError("book 3 cannot be sold") from error
        return []


def main() -> None:
    """Serve the pages and ask for each of them once."""
    with tracing("bookshop") as provider:
        engines = engine("qmark"), engine("named")
        SQLAlchemyInstrumentor().instrument(engines=engines, tracer_provider=provider)
        application = traced_flask(provider)
        add_routes(application, *engines)
        with serving(application) as url:
            for path in ("/authors", "/named/authors", "/authors/together", "/search"):
                request(url + path)
            request(f"{url}/orders", "POST")


if __name__ == "__main__":
    main()
