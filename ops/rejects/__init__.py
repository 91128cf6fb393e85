"""Rejected visits: what they are, where they came from, and the way back."""
