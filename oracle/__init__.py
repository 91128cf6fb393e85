"""A second reading of the log that shares no code with the pipeline: what verify compares the database with.

It follows the written rules (what a message is, what a window is, what an output contains), not the pipeline's
modules, so that a mistake in those shows. Messages and dates are read with `re` and `datetime` alone, Kafka through
oracle/kafka.py. Of the project it imports the settings, process/, and the way to connect: clients/kafka_config.py
and clients/mariadb.py.
"""
