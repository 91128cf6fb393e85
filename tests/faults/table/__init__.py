"""Every fault that the dataflow is known to survive, as a table: one scenario a row. See docs/reliability.md."""
