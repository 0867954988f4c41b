"""What the detectors find, what they miss and what they make up: `python -m bench.detection`. Never run by the tests."""
