"""Rejected visits: what they are, where they came from, and how they are sent back."""
