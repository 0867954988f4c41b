"""`python -m otelbridge` is `otelbridge`."""

from __future__ import annotations

import sys

from otelbridge.cli.main import main

sys.exit(main())
