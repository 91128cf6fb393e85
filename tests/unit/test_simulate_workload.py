"""The workload: as many countries as requested, in their proportions, the same for the same seed."""

from collections import Counter
from decimal import Decimal

from simulate.workload import TEMPLATE_COUNT, USUAL_ACTIONS, draw_countries, draw_templates


def test_a_seed_always_draws_the_same_countries() -> None:
    """Another seed draws others."""
    drawn = [name for name, _ in draw_countries(42, 10, Decimal(1))]
    assert drawn == [name for name, _ in draw_countries(42, 10, Decimal(1))]
    assert drawn != [name for name, _ in draw_countries(43, 10, Decimal(1))]


def test_a_thousand_countries_differ_and_all_occur() -> None:
    """When the world's countries are used up, regions follow; even the rarest has a template."""
    countries = draw_countries(42, 1000, Decimal(2))
    assert len({name for name, _ in countries}) == 1000
    templates = draw_templates(42, countries, USUAL_ACTIONS)
    assert len(templates) == TEMPLATE_COUNT
    assert {template.country for template in templates} == {name for name, _ in countries}


def test_zipf_makes_the_first_countries_the_frequent_ones() -> None:
    """With exponent 1 the second country has half of the first one's visits, the tenth a tenth."""
    countries = draw_countries(42, 10, Decimal(1))
    counts = Counter(template.country for template in draw_templates(42, countries, USUAL_ACTIONS))
    first, second, *_, tenth = (counts[name] for name, _ in countries)
    assert abs(first / second - 2) < 0.01
    assert abs(first / tenth - 10) < 0.1


def test_weights_are_proportions_of_the_templates() -> None:
    """Three to one, exactly."""
    countries = [("USA", Decimal(3)), ("DEU", Decimal(1))]
    actions = [("ORDER", Decimal("0.5")), ("SHOPPING_CART", Decimal("0.5"))]
    templates = draw_templates(1, countries, actions)
    assert Counter(template.country for template in templates) == {"USA": 12_288, "DEU": 4096}
    assert Counter(template.last_action for template in templates) == {"ORDER": 8192, "SHOPPING_CART": 8192}


def test_only_carts_have_a_cart_line_and_names_are_quoted() -> None:
    """RFC 4180: a field with a comma or a quotation mark is quoted, a quotation mark doubled."""
    actions = [("SHOPPING_CART", Decimal(1)), ("ORDER", Decimal(1))]
    templates = draw_templates(1, [('a,"b"', Decimal(1))], actions)
    for template, suffix in zip(templates, templates.cart_suffixes, strict=False):
        line = f',"a,""b""",SHOPPING_CART,{template.duration_s}'.encode()
        assert suffix == (line if template.last_action == "SHOPPING_CART" else None)
    assert templates.cart_suffixes[templates.rejected_index] is None
