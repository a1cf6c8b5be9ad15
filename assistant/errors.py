"""What is wrong with a question.

AssistantError
├── EmptyQuestion     empty_question      nothing was asked
├── QuestionTooLong   question_too_long   more than the limit of characters
├── UnknownConversation  not_found        no such conversation, or another person's
└── IdInUse           id_taken            the client's id is that of another answer
"""

from __future__ import annotations

from django.utils.translation import gettext_noop


class AssistantError(Exception):
    code = "assistant_error"
    retryable = False
    detail = gettext_noop("The question could not be taken.")

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or type(self).detail
        super().__init__(self.detail)


class EmptyQuestion(AssistantError):
    code = "empty_question"
    detail = gettext_noop("Write a question first.")


class QuestionTooLong(AssistantError):
    code = "question_too_long"
    detail = gettext_noop("This question is too long. Shorten it, or write to a person.")


class UnknownConversation(AssistantError):
    code = "not_found"
    detail = gettext_noop("There is no such conversation.")


class IdInUse(AssistantError):
    code = "id_taken"
    detail = gettext_noop("This id was used before, for something else. Make a new one.")
