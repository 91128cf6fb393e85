"""The visitors: visits into Kafka at any pace, late, twice or broken on demand, and the truth about them."""
