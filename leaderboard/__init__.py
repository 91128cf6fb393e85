"""The leaderboard: the time spent in the shop, by country and by last action."""
