"""The application's database: SQLite in memory, behind views that take as long as a database across a network.

The waiting happens inside SQLite, while a statement runs, so that the durations of its spans are measured ones.
"""

from __future__ import annotations

import time
from sqlite3 import Connection

from sqlalchemy import Engine, ForeignKey, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.pool import StaticPool

CONVERSATIONS = 15  # queries of the loop; with ROW_SECONDS it takes more than the 50 ms from which n_plus_one reports
ROW_SECONDS = 0.005
SEARCH_SECONDS = 0.6  # db_queries calls a query slow from 0.5 s on

_SCHEMA = f"""
    create table conversations (id integer primary key, user_id text, title text);
    create table message_rows (id integer primary key, conversation_id integer, text text);
    create table documents (id integer primary key, text text);
    create table users (id text primary key, name text);
    create index by_conversation on message_rows (conversation_id);
    create view messages as select m.* from message_rows m where waited(m.id, {ROW_SECONDS});
    with recursive n(i) as (select 1 union all select i + 1 from n where i < {CONVERSATIONS})
        insert into conversations select i, 'ada', 'Conversation ' || i from n;
    insert into message_rows select id, id, 'Hello from ' || title from conversations;
    insert into documents values (1, 'How to return a parcel'), (2, 'Opening hours');
    insert into users values ('ada', 'Ada'), ('grace', 'Grace'), ('edsger', 'Edsger');
"""  # noqa: S608 # only the constants above are in it


class Base(DeclarativeBase):
    """Registry of the tables."""


class Conversation(Base):
    """What a user and the assistant said to each other."""

    __tablename__ = "conversations"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str]
    title: Mapped[str]
    messages: Mapped[list[Message]] = relationship(back_populates="conversation")


class Message(Base):
    """One thing that was said."""

    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    text: Mapped[str]
    conversation: Mapped[Conversation] = relationship(back_populates="messages")


class User(Base):
    """Who chats."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


def filled_engine() -> Engine:
    """A database with three users and their conversations."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def fill(connection: Connection, _record: object) -> None:
        connection.create_function("waited", 2, _waited)
        connection.executescript(_SCHEMA)

    with engine.connect():
        return engine


def _waited(_value: object, seconds: float) -> bool:
    time.sleep(seconds)
    return True
