"""The load generator: visits into Kafka at any rate, with anomalies on demand, and the truth about them."""
