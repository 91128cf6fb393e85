"""A second reading of the log that shares no code with the pipeline: what verify compares the database with.

It follows the written rules (what a message is, what a window is, what an output says), not the pipeline's
modules, so that a mistake in those shows. It imports nothing of operators, sources, claim or the sinks but
the way to connect, and reads JSON and dates with `re` and `datetime` alone.
"""
