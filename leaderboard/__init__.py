"""The leader board: who visits the shop, and what they did last, by the time they spent there."""
