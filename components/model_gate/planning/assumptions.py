"""What is assumed of each domain: given by options, estimated from a pilot, or guessed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from scipy import special

from components.model_gate.planning import truths
from components.model_gate.planning.document import Assumption
from components.model_gate.planning.pilot import Pilot
from components.model_gate.planning.truths import Truth, Truths
from components.model_gate.policy.settings import DomainRules, GateSettings
from schemas import features
from schemas.errors import InputError

Origin = Literal["given", "pilot", "guess"]
Groups = Mapping[str, Mapping[str, float]]
_CORRELATION = 0.8
_SHARED = 0.9
_VALIDATION = 200


@dataclasses.dataclass(frozen=True)
class Given:
    """The options; None where one was not given. `X_shifted` is for the shifted domain."""

    auc: float | None = None
    auc_shifted: float | None = None
    sensitivity: float | None = None
    sensitivity_shifted: float | None = None
    specificity: float | None = None
    specificity_shifted: float | None = None
    prevalence: float | None = None
    prevalence_shifted: float | None = None
    images_per_patient: float | None = None
    positive_images: float | None = None
    correlation: float | None = None
    baseline_auc: float | None = None
    baseline_correlation: float | None = None
    validation_patients: int | None = None
    groups: Groups = dataclasses.field(default_factory=dict)


def group_columns(settings: GateSettings) -> set[str]:
    """Columns of the groups that a policy names, as tables name them."""
    named = {one.partition("=")[0] for one in settings.subgroups.required_groups}
    return named | {rule.group.partition("=")[0] for rule in settings.slices if rule.group}


def assumed(
    given: Given, pilots: Mapping[str, Pilot], settings: GateSettings
) -> tuple[dict[features.Domain, Truth], tuple[Assumption, ...]]:
    """The truth by domain to plan for, and each assumption in words.

    Raises:
        InputError: Something that can't be guessed was not given.
    """
    found: dict[features.Domain, Truth] = {}
    said: list[Assumption] = []
    domains: tuple[tuple[features.Domain, DomainRules], ...] = (
        (features.IN_DISTRIBUTION, settings.in_distribution),
        (features.SHIFTED, settings.shifted),
    )
    for domain, rules in domains:
        told = given.auc if domain == features.IN_DISTRIBUTION else given.auc_shifted
        if rules.required or told is not None or domain in pilots:
            one = _Domain(domain, given, pilots.get(domain), found.get(features.IN_DISTRIBUTION))
            found[domain] = one.truth()
            said += one.said
    if not found:
        raise InputError("the policy requires no domain: give --auc to plan one")
    _check_groups(found, settings)
    return found, tuple(said)


def validation(
    given: Given, found: Truths, settings: GateSettings
) -> tuple[int, tuple[Assumption, ...]]:
    """How many patients choose the thresholds of the policy's operating points."""
    truth = found.get(features.IN_DISTRIBUTION)
    if truth is None or not settings.operating_points:
        return 0, ()
    least = truth.least(settings.min_patients_per_class, _VALIDATION)
    patients = given.validation_patients or least
    origin: Origin = "guess" if given.validation_patients is None else "given"
    said = Assumption(
        name="validation patients",
        domain=features.IN_DISTRIBUTION,
        value=str(patients),
        origin=origin,
        note="they choose the thresholds of operating points",
    )
    return patients, (said,)


class _Domain:
    """The assumptions of one domain, made in turn."""

    def __init__(
        self, domain: features.Domain, given: Given, pilot: Pilot | None, first: Truth | None
    ):
        self.said: list[Assumption] = []
        self._domain, self._given, self._pilot = domain, given, pilot
        # What holds in distribution is the guess where nothing is known of the shifted domain.
        self._first = first if domain == features.SHIFTED else None

    def truth(self) -> Truth:
        auc = self._number("auc", "AUC", *self._as_first("auc"))
        prevalence = self._number("prevalence", "prevalence", *self._as_first("prevalence"))
        sensitivity, specificity = self._rates(auc)
        images = self._images()
        several = max(images) > 1
        positive = self._number(
            "positive_images",
            "images of a patient with the finding that show it",
            1.0,
            "all",
            several,
        )
        correlation = self._number(
            "correlation",
            "correlation of the scores of a patient's images",
            _CORRELATION,
            "images of a patient are much alike",
            several,
        )
        self._say("calibration", "slope 1, intercept 0", "guess", "calibrated")
        other = self._baseline(auc)
        shared = self._number(
            "baseline_correlation",
            "correlation with the baseline's scores",
            _SHARED,
            "models for the same task are much alike",
            other is not None,
        )
        return Truth(
            auc=auc,
            sensitivity=sensitivity,
            specificity=specificity,
            prevalence=prevalence,
            positive_images=positive,
            correlation=correlation,
            images=images,
            groups=self._groups(),
            baseline_auc=other,
            shared=shared,
        )

    def _say(
        self,
        name: str,
        value: str,
        origin: Origin,
        note: str = "",
    ) -> None:
        one = Assumption(name=name, domain=self._domain, value=value, origin=origin, note=note)
        self.said.append(one)

    def _option(self, name: str) -> Any:
        """The domain's own option; one that there is only once is of both."""
        return getattr(self._given, self._name(name))

    def _name(self, name: str) -> str:
        own = f"{name}_shifted"
        of_shifted = self._domain == features.SHIFTED and hasattr(self._given, own)
        return own if of_shifted else name

    def _as_first(self, name: str) -> tuple[float | None, str]:
        return (
            (None, "")
            if self._first is None
            else (getattr(self._first, name), "as in distribution")
        )

    def _number(
        self, name: str, words: str, guess: float | None, why: str, say: bool = True
    ) -> float:
        """The option, the pilot's estimate or the guess, in this order."""
        attribute = {"baseline_correlation": "shared"}.get(name, name)
        estimate = getattr(self._pilot, attribute) if self._pilot else None
        origin: Origin
        if (value := self._option(name)) is not None:
            origin, note = "given", ""
        elif self._pilot is not None and estimate is not None:
            value, origin = estimate, "pilot"
            note = self._pilot.notes.get(attribute, f"{self._pilot.patients} patients")
            if self._pilot.few:
                note += "; few of a class: unsure"
        elif guess is not None:
            value, origin, note = guess, "guess", why
        else:
            option = self._name(name).replace("_", "-")
            raise InputError(f"--{option} is needed without a pilot that tells it")
        if say:
            self._say(words, f"{value:.4g}", origin, note)
        return float(value)

    def _rates(self, auc: float) -> tuple[float, float]:
        """Sensitivity and specificity; what is not known follows from the AUC."""
        apart = truths.distance(auc)
        known = {
            name: self._option(name)
            if self._option(name) is not None
            else (getattr(self._pilot, name) if self._pilot else None)
            for name in ("sensitivity", "specificity")
        }
        found = {}
        for name, other in (("sensitivity", "specificity"), ("specificity", "sensitivity")):
            if known[other] is not None:
                guess, why = apart - special.ndtri(known[other]), f"from AUC and {other}"
            elif self._first is not None:
                lost = (truths.distance(self._first.auc) - apart) / 2
                guess = special.ndtri(getattr(self._first, name)) - lost
                why = "as in distribution, less what the AUC loses"
            else:
                guess, why = apart / 2, "where sensitivity and specificity are equal"
            found[name] = self._number(name, name, float(special.ndtr(guess)), why)
        return found["sensitivity"], found["specificity"]

    def _images(self) -> tuple[int, ...]:
        given, words = self._given.images_per_patient, "images per patient"
        if given is not None:
            found = truths.skewed(given)
            spread = f"1 to {max(found)}, most patients have few" if max(found) > 1 else ""
            self._say(words, f"{given:.4g}", "given", spread)
        elif self._pilot is not None:
            found = self._pilot.images
            note = f"{min(found)} to {max(found)}"
            self._say(words, f"{sum(found) / len(found):.4g}", "pilot", note)
        else:
            found = self._first.images if self._first else (1,)
            mean = sum(found) / len(found)
            self._say(words, f"{mean:.4g}", "guess", "as in distribution" if self._first else "one")
        return found

    def _baseline(self, auc: float) -> float | None:
        name = "AUC of the baseline"
        given = self._given.baseline_auc
        if self._first is not None and self._first.baseline_auc is not None and given is not None:
            lost = truths.distance(self._first.auc) - truths.distance(auc)
            found = special.ndtr((truths.distance(given) - lost) / 2**0.5)
            self._say(name, f"{found:.4g}", "guess", "loses under shift as the model does")
            return float(found)
        if given is not None:
            self._say(name, f"{given:.4g}", "given")
            return given
        if self._pilot is not None and self._pilot.baseline_auc is not None:
            self._say(name, f"{self._pilot.baseline_auc:.4g}", "pilot")
            return self._pilot.baseline_auc
        return None

    def _groups(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        estimated = self._pilot.groups if self._pilot else {}
        for column in sorted({*self._given.groups, *estimated}):
            shares = self._given.groups.get(column) or estimated.get(column, {})
            found[column] = dict(shares)
            text = ", ".join(f"{value} {share:.0%}" for value, share in shares.items())
            origin: Origin = "given" if column in self._given.groups else "pilot"
            self._say(f"patients by {column}", text, origin, "the same AUC in each")
        return found


def _check_groups(found: Truths, settings: GateSettings) -> None:
    """Refuses a policy that names a group of which nothing is assumed."""
    named = [("required_groups", one) for one in settings.subgroups.required_groups]
    named += [("slices", rule.group) for rule in settings.slices if rule.group]
    for where, group in named:
        column, _, value = group.partition("=")
        for truth in found.values():
            shares = truth.groups.get(column, {})
            if not shares or (value and value not in shares):
                raise InputError(
                    f"the policy names the group '{group}' ({where}); say what share of the "
                    f"patients it has, by --group {column}={value or 'VALUE'}:SHARE, or give a "
                    "pilot with such patients"
                )
