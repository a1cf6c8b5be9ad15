"""What cannot be done with a ticket.

TicketError
├── NotAllowed      not_allowed      the person's role does not permit it
├── EmptyMessage    empty_message    nothing was written
├── MessageTooLong  message_too_long more than the limit of characters
├── WrongState      wrong_state      the ticket or draft is in a state that does not allow it
├── NotAnAgent      not_an_agent     tickets are assigned to agents and admins of the tenant
├── CustomerWrote   customer_wrote   the customer wrote something that the agent had not seen yet
├── IdTaken         id_taken         the client's id names another text that was sent before
└── TooLate         too_late         the reply has reached the customer and cannot be taken back
"""

from __future__ import annotations

from django.utils.translation import gettext_noop


class TicketError(Exception):
    code = "ticket_error"
    retryable = False
    detail = gettext_noop("That cannot be done with this ticket.")

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or type(self).detail
        super().__init__(self.detail)


class NotAllowed(TicketError):
    code = "not_allowed"
    detail = gettext_noop("Only agents can do this.")


class EmptyMessage(TicketError):
    code = "empty_message"
    detail = gettext_noop("Write something first.")


class MessageTooLong(TicketError):
    code = "message_too_long"


class WrongState(TicketError):
    code = "wrong_state"


class NotAnAgent(TicketError):
    code = "not_an_agent"
    detail = gettext_noop("Tickets are assigned to agents of this company.")


class CustomerWrote(TicketError):
    code = "customer_wrote"
    detail = gettext_noop("Not sent: the customer wrote in the meantime. Read it, then send again.")


class IdTaken(TicketError):
    code = "id_taken"
    detail = gettext_noop("This id was used before, for something else. Make a new one.")


class TooLate(TicketError):
    code = "too_late"
    detail = gettext_noop("The customer has this reply already; it cannot be taken back.")
