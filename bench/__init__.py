"""What otelbridge costs, measured beside a compiled collector: `python -m bench`. Never run by the tests."""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # as the daemon does; polars reads it when it is imported
