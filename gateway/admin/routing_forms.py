"""The form of a routing policy: it makes a `Policy`, and shows beside each part what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from gateway import profiles
from gateway.limits.rates import Rates
from gateway.routing.catalogue import hosted_providers, regions
from gateway.routing.policy import (
    ABILITIES,
    CONFIGURED,
    MOST_CANDIDATES,
    ROUTED,
    SMALL,
    Option,
    Policy,
    PolicyInvalid,
    Rule,
)
from gateway.routing.sample import Sample
from gateway.types import Classification, Task

INHERIT, ORDERED, WEIGHTED = "inherit", "ordered", "weighted"
TASKS = {
    Task.ANSWER: _("answer customers"),
    Task.DRAFT: _("draft replies"),
    Task.REWRITE: _("rewrite follow-ups"),
    Task.CLASSIFY: _("classify"),
    Task.SUMMARISE: _("summarise"),
    Task.EXTRACT: _("extract values"),
    Task.JUDGE: _("judge answers"),
}
CLASSIFICATIONS = [
    (Classification.PUBLIC.value, _("public")),
    (Classification.INTERNAL.value, _("internal")),
    (Classification.PERSONAL.value, _("personal")),
]


def _boxes(label: Any, choices: list[tuple[str, Any]], **options: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, choices=choices, required=False, widget=forms.CheckboxSelectMultiple, **options
    )


def _whole(label: Any, low: int = 1) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=low, max_value=1_000_000_000)


class CandidateForm(forms.Form):
    model = forms.ChoiceField(label=_("model"), required=False)
    weight = _whole(_("weight"))
    classifications = _boxes(_("only for text that is"), CLASSIFICATIONS)
    regions = _boxes(_("only where the model runs in"), [])
    abilities = _boxes(_("only for calls with"), [(name, name) for name in ABILITIES])
    min_tokens = _whole(_("prompt from, in tokens"))
    max_tokens = _whole(_("prompt up to, in tokens"))
    max_cost = forms.DecimalField(
        label=_("a call may cost up to, in US dollars"), required=False, min_value=0, max_digits=12, decimal_places=6
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups = [(CONFIGURED, _("the configured models")), (SMALL, _("the small models of the same providers"))]
        names = [(name, name) for name in profiles.completion_profiles()]
        known = {name for name, _label in names} | {CONFIGURED, SMALL}
        gone = [(name, name) for name in {str(self.initial.get("model", ""))} - known - {""}]
        self.fields["model"].choices = [("", "-"), *groups, *names, *gone]  # type: ignore[attr-defined]
        self.fields["regions"].choices = [(name, name) for name in regions()]  # type: ignore[attr-defined]

    def option(self) -> Option:
        said = self.cleaned_data
        return Option(
            model=said["model"],
            weight=said["weight"] or 1,
            classifications=tuple(map(Classification, said["classifications"])),
            regions=tuple(said["regions"]),
            abilities=tuple(said["abilities"]),
            min_tokens=said["min_tokens"] or 0,
            max_tokens=said["max_tokens"] or 0,
            max_cost=said["max_cost"],
        )

    @staticmethod
    def initial_of(option: Option) -> dict[str, Any]:
        return {
            "model": option.model,
            "weight": option.weight if option.weight != 1 else None,
            "classifications": [each.value for each in option.classifications],
            "regions": list(option.regions),
            "abilities": list(option.abilities),
            "min_tokens": option.min_tokens or None,
            "max_tokens": option.max_tokens or None,
            "max_cost": option.max_cost,
        }


Candidates: Any = forms.formset_factory(
    CandidateForm, extra=2, can_order=True, max_num=MOST_CANDIDATES + 2, absolute_max=MOST_CANDIDATES + 4
)


class WholeForm(forms.Form):
    """What holds for every task, and why there is a new version."""

    limit_providers = forms.BooleanField(label=_("only these providers"), required=False)
    providers = _boxes(_("providers"), [])
    limit_regions = forms.BooleanField(label=_("only models that run in"), required=False)
    regions = _boxes(_("regions"), [])
    off = _boxes(_("no language model for"), [(task.value, TASKS[task]) for task in ROUTED])
    tenant_requests = _whole(_("calls a minute, of the whole company"))
    tenant_tokens = _whole(_("tokens a minute, of the whole company"))
    user_requests = _whole(_("calls a minute, of each user"))
    user_tokens = _whole(_("tokens a minute, of each user"))
    note = forms.CharField(label=_("why"), max_length=300, required=False)
    based_on = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    restores = forms.IntegerField(min_value=1, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, known in (("providers", hosted_providers()), ("regions", regions())):
            self.fields[name].choices = [(each, each) for each in known]  # type: ignore[attr-defined]

    @staticmethod
    def initial_of(policy: Policy) -> dict[str, Any]:
        return {
            "limit_providers": policy.providers is not None,
            "providers": sorted(policy.providers or ()),
            "limit_regions": policy.regions is not None,
            "regions": sorted(policy.regions or ()),
            "off": [task.value for task in policy.off],
            "tenant_requests": _number(policy.tenant_rates.requests),
            "tenant_tokens": _number(policy.tenant_rates.tokens),
            "user_requests": _number(policy.user_rates.requests),
            "user_tokens": _number(policy.user_rates.tokens),
        }


class SampleForm(forms.Form):
    """The call that the preview is of."""

    classification = forms.ChoiceField(label=_("text"), choices=CLASSIFICATIONS)
    tokens = forms.IntegerField(label=_("tokens"), min_value=1, max_value=2_000_000)
    wants = _boxes(_("with"), [(name, name) for name in ABILITIES])

    def sample(self, task: Task) -> Sample:
        said = self.cleaned_data
        tools, images, json_schema = (name in said["wants"] for name in ABILITIES)
        return Sample(task, Classification(said["classification"]), said["tokens"], tools, images, json_schema)


class TaskForm:
    """One task: whose candidates, and which."""

    def __init__(self, task: Task, policy: Policy, data: Mapping[str, Any] | None) -> None:
        rule = policy.rules.get(task)
        choices = [
            (INHERIT, _("as the default has it")),
            (ORDERED, _("these, in order")),
            (WEIGHTED, _("these, drawn by weight")),
        ]
        self.task, self.label = task, TASKS[task]
        self.choice_form = forms.Form(data, prefix=task.value)
        self.choice_form.fields["choice"] = forms.ChoiceField(label=_("candidates"), choices=choices)
        self.choice_form.initial["choice"] = INHERIT if rule is None else WEIGHTED if rule.weighted else ORDERED
        initial = [CandidateForm.initial_of(option) for option in rule.options] if rule else []
        self.candidates = Candidates(data, initial=initial, prefix=f"{task.value}-candidates")
        self.ordered: list[CandidateForm] = []

    def is_valid(self) -> bool:
        return self.choice_form.is_valid() and bool(self.candidates.is_valid())

    @property
    def own(self) -> bool:
        """Whether the task has candidates of its own; shown open then."""
        shown = self.choice_form["choice"].value()
        return bool(shown and shown != INHERIT)

    def rule(self) -> Rule | None:
        if self.choice_form.cleaned_data["choice"] == INHERIT:
            return None
        forms_ = [form for form in self.candidates.forms if form.cleaned_data.get("model")]
        self.ordered = sorted(forms_, key=lambda form: form.cleaned_data.get("ORDER") or MOST_CANDIDATES + 1)
        options = tuple(form.option() for form in self.ordered)
        return Rule(options, weighted=self.choice_form.cleaned_data["choice"] == WEIGHTED)


class PolicyForm:
    """All of it together."""

    def __init__(self, policy: Policy, based_on: int, data: Mapping[str, Any] | None = None, **initial: Any) -> None:
        self.whole = WholeForm(data, initial={**WholeForm.initial_of(policy), "based_on": based_on, **initial})
        self.sample = SampleForm(data, prefix="sample", initial={"classification": "public", "tokens": 1000})
        self.tasks = [TaskForm(task, policy, data) for task in ROUTED]
        self.problems: list[tuple[str, Any]] = []

    def is_valid(self) -> bool:
        return all([self.whole.is_valid(), self.sample.is_valid(), *[each.is_valid() for each in self.tasks]])

    def policy(self) -> Policy:
        said = self.whole.cleaned_data
        rules = {each.task: rule for each in self.tasks if (rule := each.rule()) is not None}
        return Policy(
            rules=rules,
            providers=frozenset(said["providers"]) if said["limit_providers"] else None,
            regions=frozenset(said["regions"]) if said["limit_regions"] else None,
            off=frozenset(map(Task, said["off"])),
            tenant_rates=Rates(said["tenant_requests"], said["tenant_tokens"]),
            user_rates=Rates(said["user_requests"], said["user_tokens"]),
        )

    def refused(self, error: PolicyInvalid) -> None:
        """Says what is wrong at the top, and beside each candidate that is meant."""
        self.problems = error.problems
        by_task = {each.task.value: each for each in self.tasks}
        for place, said in error.problems:
            name, _dot, number = place.partition(".")
            if name in by_task and number:
                by_task[name].ordered[int(number) - 1].add_error("model", said)
            elif place == "note":
                self.whole.add_error("note", said)


def _number(rate: float | None) -> int | None:
    return None if rate is None else int(rate)
