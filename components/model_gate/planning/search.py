"""Looks for the least numbers of patients with which rules, and the whole policy, pass as often.

Each domain first, alone: its rules depend on its own patients only. Then both together, from the
numbers that each takes, enlarging the domain that keeps the model back.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence

from scipy import special

from components.model_gate.planning import formulas
from components.model_gate.planning.power import Key, Simulation, Tally
from components.model_gate.planning.truths import Patients, Truth, Truths
from components.model_gate.policy.settings import DomainRules, GateSettings
from schemas import features

# Images of a domain beyond which nothing is simulated: it would take minutes.
MOST_IMAGES = 40_000
# Tables of one size: while searching, and to show what the size that is told is worth. Fewer of
# large tables.
_SEARCHING, _SHOWING = 100, 500
_FEWEST = 40
_IMAGES_OF_A_ROUND = 250_000
# Sizes this close are told apart by interpolation.
_CLOSE = 1.5
# The whole policy's are not interpolated, and are looked for until they are this close.
_NEAR = 1.2
_MOST_ROUNDS = 12
# How sure it is to be that the share is reached, one-sided: it is itself counted on samples.
_SURE = 0.95
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Least:
    """The fewest patients of a domain with which a rule passes often enough.

    Attributes:
        patients: How many; infinite if not with the most that are simulated.
        at_most: It passes as often with the fewest that the policy judges at all.
    """

    patients: float
    at_most: bool = False


@dataclasses.dataclass(frozen=True)
class Found:
    """What the search finds.

    Attributes:
        rules: By rule of a domain, its least patients; of a rule about both, by domain.
        patients: By domain, for the whole policy; empty if beyond what is simulated.
        tally: Of tables of this size.
    """

    rules: Mapping[Key, Mapping[features.Domain, Least]]
    patients: Patients
    tally: Tally | None


def counted_least(truth: Truth, rules: DomainRules, settings: GateSettings) -> int:
    """The fewest patients of a domain that the policy judges."""
    return truth.least(settings.min_patients_per_class, max(2, rules.min_patients))


def by_formula(truth: Truth, rules: DomainRules, settings: GateSettings, power: float) -> float:
    """Patients of a domain for all floors under AUC, sensitivity and specificity."""
    confidence = settings.confidence
    share = truth.prevalence
    found = [formulas.auc_patients(truth, rules.min_auc, confidence, power)]
    for rate, floor, part in (
        (truth.sensitivity, rules.min_sensitivity, share),
        (truth.specificity, rules.min_specificity, 1 - share),
    ):
        of_class = formulas.rate_patients(rate, floor, confidence, power)
        found.append(of_class / part / truth.effective)
    return max(found)


def search(simulation: Simulation, power: float, say: Say) -> Found:
    """The least patients for each rule and for the policy."""
    design = simulation.design
    rules: dict[Key, Mapping[features.Domain, Least]] = {}
    start: dict[features.Domain, int] = {}
    for domain in design.truths:
        domain_search = _DomainSearch(simulation, domain, power, say)
        found = domain_search.run()
        rules |= {key: {domain: least} for key, least in found.items()}
        if math.isinf(domain_search.together.patients):
            return Found(rules, {}, None)
        start[domain] = math.ceil(domain_search.together.patients)
    return _together(simulation, power, say, rules, start)


class _DomainSearch:
    """The search within one domain."""

    def __init__(self, simulation: Simulation, domain: features.Domain, power: float, say: Say):
        self._simulation, self._domain = simulation, domain
        self._power, self._say = power, say
        design = simulation.design
        self._truth, settings = design.truths[domain], design.settings
        rules = getattr(settings, domain)
        self._least = counted_least(self._truth, rules, settings)
        self._start = by_formula(self._truth, rules, settings, power)
        self._most = int(MOST_IMAGES / self._truth.mean_images)
        self._tallies: dict[int, Tally] = {}
        self.together = Least(math.inf)

    def run(self) -> dict[Key, Least]:
        """Least patients by rule; `together` is that of all rules of the domain."""
        if max(self._least, self._start) > self._most:
            return {}
        self._judged(self._least)
        patients = max(math.ceil(1.1 * self._least), min(self._most, math.ceil(self._start)))
        while self._passing_together(max(self._tallies)) < self._power:
            if max(self._tallies) == self._most:
                break
            tally = self._judged(min(patients, self._most))
            passing = tally.passing_domain(self._domain)
            patients = math.ceil(
                max(self._tallies) * max(1.2, 1.1 * _ratio([passing], self._power))
            )
        self.together = self._between(self._passing_together)
        keys = sorted({key for one in self._tallies.values() for key in one.rules})
        own = [key for key in keys if key.domain == self._domain]
        return {key: self._between(functools.partial(self._passing, key)) for key in own}

    def _judged(self, patients: int) -> Tally:
        number = repetitions(patients * self._truth.mean_images, _SEARCHING)
        tally = self._simulation.judged({self._domain: patients}, number)
        self._tallies[patients] = tally
        self._say(
            f"{self._domain}: with {patients} patients its rules pass in "
            f"{tally.passing_domain(self._domain):.0%} of {tally.tables} tables"
        )
        return tally

    def _passing(self, key: Key, patients: int) -> float:
        return self._tallies[patients].passing(key)

    def _passing_together(self, patients: int) -> float:
        return self._tallies[patients].passing_domain(self._domain)

    def _between(self, passing: Callable[[int], float]) -> Least:
        """Halves the sizes between the largest that is too small and the next, in the logarithm."""
        if passing(self._least) >= self._power:
            return Least(self._least, at_most=True)
        if passing(max(self._tallies)) < self._power:
            return Least(math.inf)
        while True:
            sizes = sorted(self._tallies)
            low = max(one for one in sizes if passing(one) < self._power)
            above = [one for one in sizes if one > low]
            if not above:  # by chance, the largest of all fails and a smaller one passes
                return Least(low)
            high = above[0]
            if high / low <= _CLOSE or high - low <= 2:
                return Least(_between(low, passing(low), high, passing(high), self._power))
            self._judged(round(math.sqrt(low * high)))


def repetitions(images: float, wanted: int) -> int:
    """Fewer tables of many images, as they take longer."""
    return max(_FEWEST, min(wanted, int(_IMAGES_OF_A_ROUND * wanted / _SEARCHING / images)))


def _between(low: int, passing_low: float, high: int, passing_high: float, power: float) -> int:
    """Where the share reaches the power: on the normal scale, it grows with the root of a size."""
    wanted, first, last = (_normal(one) for one in (power, passing_low, passing_high))
    part = (wanted - first) / (last - first) if last > first else 1.0
    root = math.sqrt(low) + min(1.0, max(0.0, part)) * (math.sqrt(high) - math.sqrt(low))
    return min(high, math.ceil(root**2))


def _normal(share: float) -> float:
    return float(special.ndtri(min(max(share, 0.005), 0.995)))


def lowest(blessed: float, tables: int) -> float:
    """The share that is exceeded with certainty, given the one among so many tables."""
    return blessed - float(special.ndtri(_SURE)) * error(blessed, tables)


def error(share: float, tables: int) -> float:
    """Monte Carlo error: the standard error of a share among so many tables."""
    within = min(max(share, 1 / (tables + 2)), 1 - 1 / (tables + 2))
    return math.sqrt(within * (1 - within) / tables)


def _together(
    simulation: Simulation,
    power: float,
    say: Say,
    rules: dict[Key, Mapping[features.Domain, Least]],
    patients: Patients,
) -> Found:
    """Enlarges the domains until the whole policy passes often enough, and surely so."""
    truths = simulation.design.truths
    shared: dict[Key, list[tuple[Patients, float]]] = {}
    short: Patients = {}  # the largest size tried that is too small
    enough: Patients = {}  # the smallest tried with which as many pass as asked for
    showing = False
    for _ in range(_MOST_ROUNDS):
        images = sum(number * truths[domain].mean_images for domain, number in patients.items())
        wanted = repetitions(images, _SHOWING if showing else _SEARCHING)
        tally = simulation.judged(patients, wanted)
        sizes = ", ".join(f"{domain} {number}" for domain, number in patients.items())
        say(f"{sizes} patients: the policy passes in {tally.blessed_share:.0%} of {tally.tables}")
        for key in tally.rules:
            if not key.domain:
                shared.setdefault(key, []).append((patients, tally.passing(key)))
        if showing and lowest(tally.blessed_share, tally.tables) >= power:
            found = {key: _shared(tried, power) for key, tried in shared.items()}
            return Found(rules | found, patients, tally)
        if showing or tally.blessed_share < power:
            short = patients
        else:
            enough = patients
        if enough and not showing:
            # Between the two, until they are close; then the smallest that is enough is shown.
            showing = not _apart(short, enough)
            patients = enough if showing else _middle(short, enough)
            continue
        larger = _larger(patients, tally, power, truths)
        if larger is None:
            break
        patients = larger
    return Found(rules, {}, None)


def _apart(short: Patients, enough: Patients) -> bool:
    return any(enough[domain] > _NEAR * number for domain, number in short.items())


def _middle(short: Patients, enough: Patients) -> Patients:
    return {
        domain: math.ceil(math.sqrt(number * enough[domain])) for domain, number in short.items()
    }


def _shared(tried: Sequence[tuple[Patients, float]], power: float) -> dict[features.Domain, Least]:
    """Between the sizes tried of which a rule about both domains passes too rarely, and enough."""
    ordered = sorted(tried, key=lambda one: sum(one[0].values()))
    number = next((at for at, (_, share) in enumerate(ordered) if share >= power), len(ordered) - 1)
    sizes, passing = ordered[number]
    if number == 0:
        return {domain: Least(size, at_most=True) for domain, size in sizes.items()}
    smaller, less = ordered[number - 1]
    return {
        domain: Least(_between(smaller[domain], less, size, passing, power))
        for domain, size in sizes.items()
    }


def _larger(patients: Patients, tally: Tally, power: float, truths: Truths) -> Patients | None:
    """More patients where the model is kept back; None beyond what is simulated."""
    aim = min(0.99, power + 1.2 * float(special.ndtri(_SURE)) * error(power, _SHOWING))
    missed = {domain: tally.domains[domain] / tally.tables for domain in (*truths, "")}
    most = max(missed.values())
    ratio = max(1.04, _ratio([1 - one for one in missed.values()], aim))
    found = dict(patients)
    for domain, number in patients.items():
        if missed[""] >= most / 2 or missed[domain] >= most / 3:
            found[domain] = math.ceil(number * ratio)
            if found[domain] * truths[domain].mean_images > 2 * MOST_IMAGES:
                return None
    return found


def _ratio(passing: Sequence[float], power: float) -> float:
    """How many times as many patients it takes until bounds that pass so often all pass, at most 4.

    As if each were one normal bound, and they were independent of each other.
    """
    tail = float(special.ndtri(0.975))
    away = [max(0.3, _normal(one) + tail) for one in passing]

    def together(ratio: float) -> float:
        return math.prod(float(special.ndtr(one * math.sqrt(ratio) - tail)) for one in away)

    low, high = 1.0, 4.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if together(middle) < power else (low, middle)
    return high
