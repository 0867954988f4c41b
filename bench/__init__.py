"""What otelbridge costs, measured beside a compiled collector: `python -m bench`. Never run by the tests."""
