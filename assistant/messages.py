"""What a client may say on the websocket: typed, and refused whole when it is not one of these."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from ninja import Field, Schema
from pydantic import TypeAdapter


class Question(Schema):
    """`id` is made by the client: asking again with the same one is the same question."""

    question: str
    conversation: uuid.UUID | None = None
    id: uuid.UUID = Field(default_factory=uuid.uuid4)


class AskMessage(Question):
    type: Literal["ask"]


class StopMessage(Schema):
    type: Literal["stop"]
    message: uuid.UUID


class ResumeMessage(Schema):
    """For the events of `message` after the one that was numbered `after`."""

    type: Literal["resume"]
    message: uuid.UUID
    after: int = Field(ge=0)


class AckMessage(Schema):
    """The reader has read what was sent so far."""

    type: Literal["ack"]


Incoming = AskMessage | StopMessage | ResumeMessage | AckMessage
incoming: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])
