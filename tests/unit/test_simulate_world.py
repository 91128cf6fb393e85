"""The visitors' world: as many countries as asked, in their proportions, the same for the same seed."""

from collections import Counter
from decimal import Decimal

from simulate.world import CARDS, USUAL_ACTIONS, draw_countries, draw_deck


def test_a_seed_always_draws_the_same_countries() -> None:
    """Another seed draws others."""
    drawn = [name for name, _ in draw_countries(42, 10, Decimal(1))]
    assert drawn == [name for name, _ in draw_countries(42, 10, Decimal(1))]
    assert drawn != [name for name, _ in draw_countries(43, 10, Decimal(1))]


def test_a_thousand_countries_differ_and_all_occur() -> None:
    """Beyond the world's own come regions of them; even the rarest has a card."""
    countries = draw_countries(42, 1000, Decimal(2))
    assert len({name for name, _ in countries}) == 1000
    deck = draw_deck(42, countries, USUAL_ACTIONS)
    assert len(deck.cards) == CARDS
    assert {card.country for card in deck.cards} == {name for name, _ in countries}


def test_zipf_makes_the_first_countries_the_frequent_ones() -> None:
    """With exponent 1 the second country has half of the first one's visits, the tenth a tenth."""
    countries = draw_countries(42, 10, Decimal(1))
    cards = Counter(card.country for card in draw_deck(42, countries, USUAL_ACTIONS).cards)
    first, second, *_, tenth = (cards[name] for name, _ in countries)
    assert abs(first / second - 2) < 0.01
    assert abs(first / tenth - 10) < 0.1


def test_weights_are_proportions_of_the_cards() -> None:
    """Three to one, to the card."""
    countries = [("USA", Decimal(3)), ("DEU", Decimal(1))]
    actions = [("ORDER", Decimal("0.5")), ("SHOPPING_CART", Decimal("0.5"))]
    deck = draw_deck(1, countries, actions)
    assert Counter(card.country for card in deck.cards) == {"USA": 12_288, "DEU": 4096}
    assert Counter(card.last_action for card in deck.cards) == {"ORDER": 8192, "SHOPPING_CART": 8192}


def test_only_carts_have_a_cart_line_and_names_are_quoted() -> None:
    """RFC 4180: a field with a comma or a quotation mark is quoted, a quotation mark doubled."""
    actions = [("SHOPPING_CART", Decimal(1)), ("ORDER", Decimal(1))]
    deck = draw_deck(1, [('a,"b"', Decimal(1))], actions)
    for card, tail in zip(deck.cards, deck.cart_tails, strict=False):
        line = f',"a,""b""",SHOPPING_CART,{card.duration_s}'.encode()
        assert tail == (line if card.last_action == "SHOPPING_CART" else None)
    assert deck.cart_tails[deck.blank] is None
