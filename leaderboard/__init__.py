"""The leaderboard: the time that visitors spend in the shop, by country and by last action."""
