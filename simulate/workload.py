"""The workload: which countries there are, how many visits come from each, and how the visits end.

It is drawn once, by Faker and one seed. Randomness here uses integers, exact decimals and single
multiplications alone: no function of the C library that might round differently on another machine.
"""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from faker import Faker
from faker.providers.date_time import Provider

from simulate.shape import Shape
from simulate.templates import Template, Templates

TEMPLATE_COUNT = 16_384  # their bytes fit into a core's cache
MAX_COUNTRIES = 5_000
LONGEST_S = 600

Weights = Sequence[tuple[str, Decimal]]

USUAL_ACTIONS: Weights = (
    ("CATALOG", Decimal(50)),
    ("FAQ", Decimal(10)),
    ("SHOPPING_CART", Decimal(25)),
    ("ORDER", Decimal(15)),
)


def draw_countries(seed: int, number: int, zipf: Decimal) -> Weights:
    """Draw countries, the most frequent first: the n-th weighs 1 / n**zipf.

    When the world's countries are used up, regions of them follow, such as ISL-04.
    """
    faker = Faker()
    faker.seed_instance(seed)
    codes = sorted({country.alpha_3_code for country in Provider.countries})
    drawn = list(faker.random_elements(codes, length=len(codes), unique=True))
    names = [drawn[n] if n < len(drawn) else _region(drawn, n) for n in range(number)]
    return [(name, Decimal(rank) ** -zipf) for rank, name in enumerate(names, start=1)]


def _region(countries: Sequence[str], n: int) -> str:
    return f"{countries[n % len(countries)]}-{n // len(countries):02}"


def draw_templates(seed: int, countries: Weights, actions: Weights, shape: Shape | None = None) -> Templates:
    """Draw the templates: each country and action has its share of them, and at least one."""
    rng = Random(f"{seed}/world")
    last_actions = allocated(actions)
    rng.shuffle(last_actions)
    pairs = zip(allocated(countries), last_actions, strict=True)
    shape = shape or Shape()
    return Templates([Template(*shape.visit(country, action, _duration_s(rng))) for country, action in pairs], shape)


def _duration_s(rng: Random) -> int:
    """Most visits are short: a quarter ends within 10 seconds, one in 20 lasts longer than 8 minutes."""
    share = rng.random()
    return int(LONGEST_S * (share * share * share))


def allocated(weights: Weights) -> list[str]:
    """Allocate the templates by weight: one to each name, the rest in proportion, by largest remainder."""
    total = sum(weight for _, weight in weights)
    free = TEMPLATE_COUNT - len(weights)
    exact = [free * weight / total for _, weight in weights]
    numbers = [1 + int(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda n: (int(exact[n]) - exact[n], n))
    for n in by_remainder[: TEMPLATE_COUNT - sum(numbers)]:
        numbers[n] += 1
    return [name for (name, _), number in zip(weights, numbers, strict=True) for _ in range(number)]
